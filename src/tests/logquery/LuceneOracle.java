// LuceneOracle.java - what Lucene itself answers: for lucene_test.py, which starts it as a source
// file with Debian's liblucene8-java on the class path.
//
//   tokens          each line of standard input is a JSON string: its standard tokens, one line
//   search FOLDER   documents.tsv (message, level, number) and queries.tsv (operator, query): for
//                   each query "ERROR", or the numbers of the documents that it finds
//
// The parser is Lucene's classic one with what Elasticsearch adds to it: a query of excluded clauses
// alone finds the others, "f:*" asks for existence, a bare "~" allows edits by the term's length,
// numbers are numbers.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.lucene.analysis.*;
import org.apache.lucene.analysis.core.KeywordAnalyzer;
import org.apache.lucene.analysis.miscellaneous.PerFieldAnalyzerWrapper;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.analysis.tokenattributes.*;
import org.apache.lucene.document.*;
import org.apache.lucene.index.*;
import org.apache.lucene.queryparser.classic.*;
import org.apache.lucene.queryparser.classic.Token;
import org.apache.lucene.search.*;
import org.apache.lucene.store.ByteBuffersDirectory;

public class LuceneOracle {
    static String unquote(String text) {
        StringBuilder out = new StringBuilder();
        for (int i = 1; i < text.length() - 1; i++) {
            char c = text.charAt(i);
            if (c != '\\') {
                out.append(c);
                continue;
            }
            c = text.charAt(++i);
            switch (c) {
                case 'n': out.append('\n'); break;
                case 't': out.append('\t'); break;
                case 'r': out.append('\r'); break;
                case 'b': out.append('\b'); break;
                case 'f': out.append('\f'); break;
                case 'u':
                    out.append((char) Integer.parseInt(text.substring(i + 1, i + 5), 16));
                    i += 4;
                    break;
                default: out.append(c);
            }
        }
        return out.toString();
    }

    static String quote(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c < 32 || c > 126 || c == '"' || c == '\\') out.append(String.format("\\u%04x", (int) c));
            else out.append(c);
        }
        return out.append('"').toString();
    }

    static void tokens(BufferedReader in, PrintStream out) throws Exception {
        Analyzer analyzer = new StandardAnalyzer(CharArraySet.EMPTY_SET);
        for (String line; (line = in.readLine()) != null;) {
            StringBuilder list = new StringBuilder("[");
            try (TokenStream stream = analyzer.tokenStream("f", unquote(line))) {
                CharTermAttribute term = stream.addAttribute(CharTermAttribute.class);
                OffsetAttribute offset = stream.addAttribute(OffsetAttribute.class);
                TypeAttribute type = stream.addAttribute(TypeAttribute.class);
                PositionIncrementAttribute step = stream.addAttribute(PositionIncrementAttribute.class);
                int position = -1;
                stream.reset();
                while (stream.incrementToken()) {
                    position += step.getPositionIncrement();
                    if (list.length() > 1) list.append(',');
                    list.append('[').append(quote(term.toString())).append(',').append(offset.startOffset())
                        .append(',').append(offset.endOffset()).append(",\"").append(type.type()).append("\",")
                        .append(position).append(']');
                }
                stream.end();
            }
            out.println(list.append(']'));
        }
    }

    static class Parser extends QueryParser {
        static final float BY_LENGTH = 77; // what the parser hands over for a bare "~"

        Parser(Analyzer analyzer) {
            super("message", analyzer);
            setAllowLeadingWildcard(true);
            setFuzzyMinSim(BY_LENGTH);
        }

        static boolean isNumber(String field) {
            return field.equals("n");
        }

        static Query negated(Query query) {
            if (!(query instanceof BooleanQuery)) return query;
            BooleanQuery clauses = (BooleanQuery) query;
            if (clauses.clauses().isEmpty()) return query;
            for (BooleanClause clause : clauses)
                if (!clause.isProhibited()) return query;
            BooleanQuery.Builder builder = new BooleanQuery.Builder();
            for (BooleanClause clause : clauses) builder.add(clause);
            return builder.add(new MatchAllDocsQuery(), BooleanClause.Occur.FILTER).build();
        }

        @Override protected Query getBooleanQuery(List<BooleanClause> clauses) throws ParseException {
            Query query = super.getBooleanQuery(clauses);
            return query == null ? null : negated(query);
        }

        @Override protected Query getFieldQuery(String field, String text, boolean quoted) throws ParseException {
            if (field.equals("_exists_")) return exists(text);
            if (!isNumber(field)) return super.getFieldQuery(field, text, quoted);
            return LongPoint.newExactQuery(field, Long.parseLong(text));
        }

        @Override protected Query getRangeQuery(String field, String from, String to, boolean fromIn, boolean toIn)
            throws ParseException {
            if (!isNumber(field)) return super.getRangeQuery(field, from, to, fromIn, toIn);
            long least = from == null ? Long.MIN_VALUE : Long.parseLong(from) + (fromIn ? 0 : 1);
            long most = to == null ? Long.MAX_VALUE : Long.parseLong(to) - (toIn ? 0 : 1);
            return LongPoint.newRangeQuery(field, least, most);
        }

        @Override protected Query getWildcardQuery(String field, String text) throws ParseException {
            if (text.equals("*") && !field.equals("*")) return exists(field);
            refuseNumber(field);
            return super.getWildcardQuery(field, text);
        }

        static void refuseNumber(String field) throws ParseException {
            if (isNumber(field)) throw new ParseException("numbers have no patterns");
        }

        @Override protected Query getPrefixQuery(String field, String text) throws ParseException {
            refuseNumber(field);
            return super.getPrefixQuery(field, text);
        }

        @Override protected Query getRegexpQuery(String field, String text) throws ParseException {
            refuseNumber(field);
            return super.getRegexpQuery(field, text);
        }

        static Query exists(String field) {
            return new TermQuery(new Term("_field_names", field));
        }

        @Override protected Query getFuzzyQuery(String field, String text, float similarity) throws ParseException {
            refuseNumber(field);
            String term = getAnalyzer().normalize(field, text).utf8ToString();
            int size = term.codePointCount(0, term.length());
            int edits = similarity == BY_LENGTH ? (size < 3 ? 0 : size < 6 ? 1 : 2) : (int) similarity;
            return new FuzzyQuery(new Term(field, term), edits, 0, 50, true);
        }
    }

    static Query parse(Parser parser, String operator, String text) throws ParseException {
        parser.setDefaultOperator(operator.equals("and") ? QueryParser.Operator.AND : QueryParser.Operator.OR);
        return text.trim().isEmpty() ? new MatchNoDocsQuery() : parser.parse(text);
    }

    static void search(Path folder, PrintStream out) throws Exception {
        Map<String, Analyzer> fields = new HashMap<>();
        fields.put("level", new KeywordAnalyzer());
        Analyzer analyzer = new PerFieldAnalyzerWrapper(new StandardAnalyzer(CharArraySet.EMPTY_SET), fields);
        ByteBuffersDirectory directory = new ByteBuffersDirectory();
        try (IndexWriter writer = new IndexWriter(directory, new IndexWriterConfig(analyzer))) {
            for (String line : Files.readAllLines(folder.resolve("documents.tsv"))) {
                String[] parts = line.split("\t", -1);
                Document document = new Document();
                for (int i = 0; i < 3; i++) {
                    if (parts[i].isEmpty()) continue;
                    String name = new String[] { "message", "level", "n" }[i];
                    document.add(new StringField("_field_names", name, Field.Store.NO));
                    if (i == 0) document.add(new TextField(name, unquote(parts[i]), Field.Store.NO));
                    if (i == 1) document.add(new StringField(name, unquote(parts[i]), Field.Store.NO));
                    if (i == 2) document.add(new LongPoint(name, Long.parseLong(parts[i])));
                }
                writer.addDocument(document);
            }
            writer.forceMerge(1);
        }
        IndexSearcher searcher = new IndexSearcher(DirectoryReader.open(directory));
        BooleanQuery.setMaxClauseCount(100000);
        for (String line : Files.readAllLines(folder.resolve("queries.tsv"))) {
            String[] parts = line.split("\t", -1);
            try {
                Query query = parse(new Parser(analyzer), parts[0], unquote(parts[1]));
                ScoreDoc[] hits = searcher.search(query, searcher.getIndexReader().maxDoc()).scoreDocs;
                int[] numbers = new int[hits.length];
                for (int i = 0; i < hits.length; i++) numbers[i] = hits[i].doc;
                Arrays.sort(numbers);
                StringBuilder text = new StringBuilder();
                for (int number : numbers) text.append(text.length() > 0 ? " " : "").append(number);
                out.println(text);
            } catch (ParseException | IllegalArgumentException error) {
                out.println("ERROR");
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8");
        if (arguments[0].equals("tokens"))
            tokens(new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)), out);
        else search(Paths.get(arguments[1]), out);
        out.flush();
    }
}
