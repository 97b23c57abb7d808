"""What LLM labels cost a small classifier, measured: the library behind the book.

Data flow one way, and so do imports::

    artifacts -> corpora -> annotators -> annotations -> labels -> students -> ledger
              -> measures -> findings -> charts -> notebooks -> book
"""

__version__ = "0.1.0"
