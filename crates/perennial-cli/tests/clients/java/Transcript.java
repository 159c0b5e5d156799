import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** The transcript of a suite: one line for each thing that a client observes. ../python/transcript.py is the same for Python. */
final class Transcript {
    /** A query that does not end by itself. */
    static final String ENDLESS = "SELECT count(*) FROM generate_series(1, 90000) AS a(x), generate_series(1, 90000) AS b(y), "
            + "generate_series(1, 90000) AS c(z) WHERE x + y + z = 0";

    private static final PrintStream OUT =
            new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    private Transcript() {
    }

    interface Ask {
        Object answer() throws Exception;
    }

    static void client(String name, String version) {
        OUT.println("client " + name + " " + version);
    }

    static void part(String words) {
        OUT.println("part " + words);
    }

    static void done() {
        OUT.println("done");
    }

    /** Tells what is answered. */
    static void check(String name, Ask ask) {
        try {
            tell("check", name, text(ask.answer()));
        } catch (Exception error) {
            tell("failed", name, refusal(error));
        }
    }

    /** Tells the error of the server with which it ends. */
    static void refused(String name, Ask ask) {
        try {
            tell("failed", name, "answered " + text(ask.answer()));
        } catch (Exception error) {
            tell(said(error) == null ? "failed" : "refused", name, refusal(error));
        }
    }

    /** What is answered, or the error without its remedies: for what an answer is put together of. */
    static Object either(Ask ask) throws Exception {
        try {
            return ask.answer();
        } catch (SQLException error) {
            return brief(error);
        }
    }

    private static void tell(String outcome, String name, String answer) {
        OUT.println(outcome + " " + name + "\t" + answer);
    }

    /** A value as JSON on one line. What JSON does not have is a text that begins with the name of its class. */
    static String text(Object value) throws SQLException {
        if (value == null || value instanceof Boolean || value instanceof Integer) {
            return String.valueOf(value);
        } else if (value instanceof ResultSet rows) {
            return text(rows(rows));
        } else if (value instanceof Array array) {
            return text(List.of(array.getBaseTypeName(), array.getArray()));
        } else if (value instanceof Collection<?> items) {
            List<String> texts = new ArrayList<>();
            for (Object item : items) {
                texts.add(text(item));
            }
            return "[" + String.join(", ", texts) + "]";
        } else if (value instanceof Object[] items) {
            return text(Arrays.asList(items));
        } else if (value instanceof int[] items) {
            return Arrays.toString(items);
        } else if (value instanceof Map<?, ?> entries) {
            return text(entries.entrySet().stream().map(entry -> entry.getKey() + "=" + entry.getValue()).sorted().toList());
        } else if (value instanceof byte[] bytes) {
            return quoted("bytes " + HexFormat.of().formatHex(bytes));
        } else if (value instanceof PGobject object) {
            return quoted(object.getClass().getSimpleName() + " " + object.getType() + " " + object.getValue());
        }
        return quoted(value instanceof String ? (String) value : value.getClass().getSimpleName() + " " + value);
    }

    private static String quoted(String text) {
        return text.codePoints()
                .mapToObj(letter -> letter == '"' || letter == '\\' ? "\\" + Character.toString(letter)
                        : letter < ' ' ? "\\u%04x".formatted(letter) : Character.toString(letter))
                .collect(Collectors.joining("", "\"", "\""));
    }

    /** What is left of a result, which is closed: its rows, as objects. */
    static List<List<Object>> rows(ResultSet rows) throws SQLException {
        return rows(rows, IntStream.rangeClosed(1, rows.getMetaData().getColumnCount()).toArray());
    }

    static List<List<Object>> rows(ResultSet rows, int... columns) throws SQLException {
        try (rows) {
            List<List<Object>> all = new ArrayList<>();
            while (rows.next()) {
                List<Object> row = new ArrayList<>();
                for (int column : columns) {
                    row.add(rows.getObject(column));
                }
                all.add(row);
            }
            return all;
        }
    }

    /** What the server said, if it was the server. */
    static ServerErrorMessage said(Throwable error) {
        for (; error != null; error = error.getCause()) {
            if (error instanceof PSQLException told && told.getServerErrorMessage() != null) {
                return told.getServerErrorMessage();
            }
        }
        return null;
    }

    private static String refusal(Exception error) {
        ServerErrorMessage told = said(error);
        String rest = told == null ? "" : field("DETAIL", told.getDetail()) + field("HINT", told.getHint())
                + field("POSITION", told.getPosition() == 0 ? null : told.getPosition());
        return (brief(error) + rest).replace('\t', ' ').replace("\n", "\\n");
    }

    /** The SQLSTATE and the message. */
    static String brief(Exception error) {
        ServerErrorMessage told = said(error);
        if (told != null) {
            return told.getSQLState() + " " + told.getMessage();
        }
        return error instanceof SQLException sql ? sql.getSQLState() + " " + sql.getMessage() : error.toString();
    }

    private static String field(String name, Object value) {
        return value == null ? "" : " | " + name + " " + value;
    }
}
