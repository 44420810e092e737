// kql_oracle.mjs - Kibana's own parser (as @cybernetex/kbn-es-query packages it): reads a JSON array of
// queries from standard input, adds the cases of the package's own tests, and prints a JSON array of
// {query, ast, dsl} or {query, error}.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);
const { fromKueryExpression, toElasticsearchQuery } = require("@cybernetex/kbn-es-query");
const folder = dirname(require.resolve("@cybernetex/kbn-es-query/package.json"));

const own = [];
for (const name of ["ast/__tests__/ast.js", "functions/__tests__/is.js", "functions/__tests__/range.js",
    "functions/__tests__/not.js", "functions/__tests__/or.js", "functions/__tests__/and.js"]) {
    const source = readFileSync(join(folder, "src/kuery", name), "utf8");
    for (const found of source.matchAll(/fromKueryExpression\(\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`$]*`)/g)) {
        own.push(Function(`return ${found[1]}`)());
    }
}
const given = JSON.parse(readFileSync(0, "utf8"));
const results = [...own, ...given].map((query) => {
    try {
        const ast = fromKueryExpression(query);
        return { query, ast, dsl: toElasticsearchQuery(ast) };
    } catch (error) {
        return { query, error: String(error.message).split("\n")[0] };
    }
});
console.log(JSON.stringify({ own: own.length, results }));
