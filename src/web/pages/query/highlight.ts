// highlight.ts - colours for an expression, by Prometheus' own grammar; loaded only when it is needed.
import { highlightTree, tagHighlighter, tags } from '@lezer/highlight';
import { parser } from '@prometheus-io/lezer-promql';
import { styleTags } from '@lezer/highlight';

export interface Piece { text: string; kind: string }

const promql = parser.configure({ props: [styleTags({
    LineComment: tags.comment, LabelName: tags.labelName, QuotedLabelName: tags.labelName, StringLiteral: tags.string, NumberDurationLiteral: tags.number,
    'NumberDurationLiteralInDurationContext NumberLiteral': tags.number, Identifier: tags.variableName,
    'Abs Absent AbsentOverTime AvgOverTime Ceil Changes Clamp ClampMax ClampMin CountOverTime DaysInMonth Delta Deriv Exp Floor HistogramQuantile Hour Idelta Increase Irate LabelReplace LabelJoin LastOverTime MaxOverTime MinOverTime PredictLinear QuantileOverTime Rate Resets Round Scalar Sort SortDesc Sqrt StddevOverTime SumOverTime Time Timestamp Vector': tags.function(tags.variableName),
    'Avg Bottomk Count Count_values Group Max Min Quantile Stddev Stdvar Sum Topk': tags.operatorKeyword,
    'By Without Bool On Ignoring GroupLeft GroupRight Offset Start End And Or Unless': tags.keyword,
})] });
const classes = tagHighlighter([
    { tag: tags.comment, class: 'comment' }, { tag: tags.labelName, class: 'label' }, { tag: tags.string, class: 'string' }, { tag: tags.number, class: 'number' },
    { tag: tags.variableName, class: 'name' }, { tag: tags.function(tags.variableName), class: 'function' }, { tag: tags.operatorKeyword, class: 'function' }, { tag: tags.keyword, class: 'keyword' },
]);

export function cutUp(text: string): Piece[] {
    const pieces: Piece[] = [];
    let at = 0;
    highlightTree(promql.parse(text), classes, (from, to, kind) => {
        if (from > at) pieces.push({ text: text.slice(at, from), kind: '' });
        pieces.push({ text: text.slice(from, to), kind });
        at = to;
    });
    if (at < text.length) pieces.push({ text: text.slice(at), kind: '' });
    return pieces;
}
