// Vega writes "null" beside the name of a value that is not there, as the bounds of a single seed: such a row says nothing.
new MutationObserver(() => {
    for (const value of document.querySelectorAll("#vg-tooltip-element td.value")) {
        if (/^(null|NaN|undefined)?$/.test(value.textContent.trim())) value.closest("tr").remove();
    }
}).observe(document.documentElement, {childList: true, subtree: true});
