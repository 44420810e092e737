// Sets the theme before the first paint: the address wins, then the last choice, then the system.
(function () {
    var theme = new URLSearchParams(location.search).get('theme');
    try {
        theme = theme || localStorage.getItem('barograph.theme');
    } catch (_) { /* storage may be denied */ }
    if (theme !== 'light' && theme !== 'dark') {
        theme = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
    }
    document.documentElement.dataset.theme = theme;
})();
