// highlight.ts - an expression cut into pieces by kind, for its colours. The server judges the grammar;
// its own grammar tables would weigh 25 kB here.

export interface Piece { text: string; kind: '' | 'comment' | 'string' | 'number' | 'keyword' | 'function' | 'label' | 'name' }

const KEYWORDS = new Set(['and', 'or', 'unless', 'atan2', 'by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'offset', 'bool', 'start', 'end']);
const GROUPING = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);
const AGGREGATES = new Set('sum avg count min max group stddev stdvar topk bottomk count_values quantile limitk limit_ratio'.split(' '));
const TOKEN = /(#[^\n]*)|("(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`[^`]*`?)|((?:0x[\da-f]+|\d+(?:\.\d*)?(?:e[+-]?\d+)?(?:(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*)?|\.\d+(?:e[+-]?\d+)?)(?!\w))|([a-z_:][\w:]*)|([(){}[\]])|\s+|./gi;

/** The pieces; joined they are the text again. */
export function cutUp(text: string): Piece[] {
    const pieces: Piece[] = [];
    const open: string[] = [];
    let before = '';
    for (const match of text.matchAll(TOKEN)) {
        const [token, comment, quoted, number, word, bracket] = match;
        let kind: Piece['kind'] = '';
        if (comment !== undefined) kind = 'comment';
        else if (quoted !== undefined) kind = 'string';
        else if (number !== undefined) kind = 'number';
        else if (word !== undefined) {
            const lower = word.toLowerCase();
            const calls = /^\s*\(/.test(text.slice(match.index + token.length, match.index + token.length + 40));
            if (open[open.length - 1] === '{' || open[open.length - 1] === 'labels') kind = 'label';
            else if (AGGREGATES.has(lower)) kind = 'function';
            else if (KEYWORDS.has(lower)) kind = 'keyword';
            else kind = calls ? 'function' : /^(inf|nan)$/.test(lower) ? 'number' : 'name';
        }
        if (bracket !== undefined && '({['.includes(bracket)) open.push(bracket === '(' && GROUPING.has(before) ? 'labels' : bracket);
        else if (bracket !== undefined) open.pop();
        if (token.trim() !== '' && comment === undefined) before = token.toLowerCase();
        pieces.push({ text: token, kind });
    }
    return pieces;
}
