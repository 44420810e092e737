// vite.config.mjs - builds the pages: three HTML entries that share chunks, hashed names, no inline code.
//
// The output folder comes from BAROGRAPH_WEB_OUT (a build folder), else src/web/dist.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = dirname(fileURLToPath(import.meta.url));

// The theme must be set before the first paint, and the content security policy allows no inline
// script: so shared/theme-boot.js becomes a small blocking file of its own in every page's head.
function themeBoot() {
    const source = readFileSync(resolve(here, 'shared/theme-boot.js'), 'utf8');
    const hash = createHash('sha256').update(source).digest('base64url').slice(0, 8);
    const fileName = `assets/theme-${hash}.js`;
    return {
        name: 'theme-boot',
        generateBundle() {
            this.emitFile({ type: 'asset', fileName, source });
        },
        transformIndexHtml: {
            order: 'post',
            handler: () => [{ tag: 'script', attrs: { src: `/${fileName}` }, injectTo: 'head' }],
        },
    };
}

export default defineConfig({
    root: here,
    // Pages live at different depths (/d/uid/slug), so HTML names assets from the root; scripts
    // name each other relative to themselves.
    base: './',
    experimental: {
        renderBuiltUrl: (name, { hostType }) => (hostType === 'html' ? `/${name}` : { relative: true }),
    },
    publicDir: false,
    plugins: [themeBoot()],
    esbuild: { legalComments: 'none' },
    build: {
        outDir: process.env.BAROGRAPH_WEB_OUT ?? resolve(here, 'dist'),
        emptyOutDir: true,
        target: 'es2022',
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        reportCompressedSize: false,
        rollupOptions: {
            input: {
                dashboards: resolve(here, 'dashboards.html'),
                explore: resolve(here, 'explore.html'),
                query: resolve(here, 'query.html'),
            },
        },
    },
});
