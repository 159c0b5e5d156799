import java.io.ByteArrayOutputStream;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.copy.PGCopyInputStream;
import org.postgresql.ds.PGSimpleDataSource;
import org.postgresql.util.DriverInfo;

/** pgjdbc, as BI tools and programs in Java use it. */
final class Pgjdbc {
    private Pgjdbc() {
    }

    private interface Exercise {
        void with(Connection connection) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        // The driver tells the server the zone of this process: one with summer time shows who confuses the two.
        TimeZone.setDefault(TimeZone.getTimeZone("Europe/Berlin"));
        Transcript.client("pgjdbc", DriverInfo.DRIVER_VERSION);
        List<Exercise> exercises = List.of(Pgjdbc::connections, Pgjdbc::settings, connection -> new Values().exercise(), Statements::prepared, Statements::portions,
                Statements::cursors, Statements::severalStatements, Statements::batches, Pgjdbc::copies, Pgjdbc::transactions, Pgjdbc::errors, Pgjdbc::stopping,
                connection -> new Catalog(connection).exercise(), Pgjdbc::analysis);
        for (Exercise exercise : exercises) {
            try (Connection connection = Server.connect()) {
                exercise.with(connection);
            }
        }
        Transcript.done();
    }

    private static void connections(Connection connection) {
        Transcript.part("connections");
        Transcript.check("product", () -> List.of(connection.getMetaData().getDatabaseProductName(), connection.getMetaData().getDatabaseMajorVersion(),
                connection.getMetaData().getDatabaseProductVersion().equals(Server.one(connection, "SHOW server_version")),
                Server.one(connection, "SELECT left(version(), 14)"), Server.one(connection, "SELECT left(current_setting('server_version_num'), 2)")));
        Transcript.check("who and where", () -> List.of(connection.getMetaData().getUserName(), connection.getCatalog(), connection.getSchema(), connection.isValid(30)));
        Transcript.check("properties", () -> Server.with(other -> List.of(Server.ask(other, "SELECT current_schema(), current_setting('application_name'), "
                + "current_setting('statement_timeout'), current_setting('search_path')"), other.isReadOnly()),
                "currentSchema=perennial,public", "ApplicationName=board", "options=-c statement_timeout=90000", "readOnly=true"));
        Transcript.check("a table of the schema of the url", () -> Server.with(other -> Server.one(other, "SELECT count(*) > 0 FROM shop_orders"), "currentSchema=raw"));
        Transcript.check("an older protocol of the start", () -> Server.with(other -> Server.one(other, "SELECT 1"), "assumeMinServerVersion=9.0", "sslmode=prefer", "gssEncMode=disable"));
        Transcript.check("a source of connections", () -> {
            PGSimpleDataSource source = new PGSimpleDataSource();
            source.setServerNames(new String[] {System.getenv("PGHOST")});
            source.setPortNumbers(new int[] {Integer.parseInt(System.getenv("PGPORT"))});
            source.setDatabaseName(System.getenv("PGDATABASE"));
            try (Connection one = source.getConnection(System.getenv("PGUSER"), System.getenv("PGPASSWORD"))) {
                return Server.one(one, "SELECT current_user");
            }
        });
        Transcript.check("what is reported", () -> {
            Map<String, String> told = new TreeMap<>(connection.unwrap(PGConnection.class).getParameterStatuses());
            told.remove("server_version");
            return told;
        });
        Transcript.check("number of the session", () -> Server.one(connection, "SELECT pg_backend_pid()").equals(connection.unwrap(PGConnection.class).getBackendPID()));
        Transcript.check("names and literals", () -> {
            PGConnection postgres = connection.unwrap(PGConnection.class);
            return Server.ask(connection, "SELECT '" + postgres.escapeLiteral("a'b\\c") + "' AS " + postgres.escapeIdentifier("a \"b\""));
        });
        Transcript.check("notifications", () -> {
            Server.execute(connection, "LISTEN news", "UNLISTEN *");
            return connection.unwrap(PGConnection.class).getNotifications().length;
        });
        Transcript.refused("no database", () -> Server.connectTo("nothing"));
        Transcript.refused("a setting that is not there", () -> Server.connect("options=-c nothing=1"));
        Transcript.refused("a zone that is not there", () -> Server.connect("options=-c TimeZone=Nowhere"));
    }

    private static void settings(Connection connection) {
        Transcript.part("settings of a session");
        Transcript.check("schema", () -> {
            connection.setSchema("raw");
            return List.of(connection.getSchema(), Server.one(connection, "SELECT count(*) = (SELECT count(*) FROM raw.shop_orders) FROM shop_orders"));
        });
        Transcript.check("client information", () -> {
            connection.setClientInfo("ApplicationName", "a 'report'");
            return List.of(connection.getClientInfo(), Server.one(connection, "SHOW application_name"));
        });
        for (int level : List.of(Connection.TRANSACTION_READ_UNCOMMITTED, Connection.TRANSACTION_READ_COMMITTED, Connection.TRANSACTION_REPEATABLE_READ,
                Connection.TRANSACTION_SERIALIZABLE)) {
            Transcript.check("isolation " + level, () -> {
                connection.setTransactionIsolation(level);
                return connection.getTransactionIsolation();
            });
        }
        Transcript.check("network timeout", () -> {
            connection.setNetworkTimeout(Runnable::run, 60_000);
            return List.of(connection.getNetworkTimeout(), Server.one(connection, "SELECT 1"));
        });
        for (String zone : List.of("Europe/Berlin", "UTC", "Asia/Kolkata")) {
            Transcript.check("time zone " + zone, () -> {
                Server.execute(connection, "SET SESSION TIME ZONE '" + zone + "'");
                return Server.ask(connection, "SELECT current_setting('TimeZone'), timestamptz '2026-07-01 12:00:00+00'::text, timestamptz '2026-01-01 12:00:00+00', "
                        + "date_trunc('day', timestamptz '2026-07-01 23:00:00+02')::text, '2026-07-01'::timestamptz");
            });
        }
        Transcript.check("reset", () -> {
            Server.execute(connection, "RESET ALL");
            return Server.ask(connection, "SELECT current_setting('TimeZone'), current_setting('search_path'), current_setting('application_name')");
        });
        Transcript.check("discarded", () -> {
            Server.execute(connection, "SET search_path = raw", "DISCARD ALL");
            return Server.ask(connection, "SELECT current_setting('TimeZone'), current_setting('search_path')");
        });
    }

    private static void copies(Connection connection) throws SQLException {
        Transcript.part("COPY");
        CopyManager copies = connection.unwrap(PGConnection.class).getCopyAPI();
        String query = "COPY (SELECT order_id, amount, time, paid, campaign FROM orders WHERE channel = 'email' ORDER BY order_id LIMIT 3) TO STDOUT";
        for (String options : List.of("", " WITH (FORMAT csv, HEADER)", " CSV HEADER DELIMITER ';' NULL '-' FORCE QUOTE *", " (FORMAT text, DELIMITER '|')")) {
            Transcript.check("as text" + options, () -> {
                StringWriter text = new StringWriter();
                return List.of(copies.copyOut(query + options, text), text.toString());
            });
        }
        Transcript.check("as bytes", () -> {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            return List.of(copies.copyOut(query + " (FORMAT binary)", bytes), bytes.toByteArray());
        });
        Transcript.check("as a stream", () -> {
            try (PGCopyInputStream stream = new PGCopyInputStream(connection.unwrap(PGConnection.class), "COPY products (product_id, price) TO STDOUT (FORMAT csv)")) {
                return List.of(stream.getFieldCount(), stream.getFormat(), new String(stream.readAllBytes(), StandardCharsets.UTF_8).lines().sorted().toList());
            }
        });
        Transcript.refused("copy of no table", () -> copies.copyOut("COPY (SELECT * FROM nothing) TO STDOUT", new StringWriter()));
        Transcript.refused("copy with an error among the rows", () -> copies.copyOut("COPY (SELECT 1 / (500 - x) FROM generate_series(1, 1000) AS t(x)) TO STDOUT", new StringWriter()));
        Transcript.check("after copies", () -> Server.one(connection, "SELECT 1"));
    }

    private static void transactions(Connection connection) throws SQLException {
        Transcript.part("transactions and savepoints");
        Transcript.check("a failed one", () -> {
            connection.setAutoCommit(false);
            List<Object> told = new ArrayList<>();
            for (String query : List.of("SELECT 1", "SELECT 1 / 0", "SELECT 1", "SELECT * FROM nothing")) {
                told.add(Transcript.either(() -> Server.ask(connection, query)));
            }
            connection.rollback();
            told.add(Server.one(connection, "SELECT 2"));
            connection.commit();
            return told;
        });
        Transcript.check("a failed one that is committed", () -> {
            Transcript.either(() -> Server.ask(connection, "SELECT 1 / 0"));
            return List.of(Transcript.either(() -> {
                connection.commit();
                return "committed";
            }), Server.one(connection, "SELECT 1"));
        });
        Transcript.check("savepoints", () -> {
            Savepoint here = connection.setSavepoint("here");
            Server.execute(connection, "SET LOCAL timezone = 'Asia/Tokyo'");
            Savepoint there = connection.setSavepoint();
            List<Object> told = new ArrayList<>(List.of(Transcript.either(() -> Server.ask(connection, "SELECT 1 / 0"))));
            connection.rollback(there);
            told.add(Server.one(connection, "SHOW timezone"));
            connection.rollback(here);
            told.add(Server.one(connection, "SHOW timezone"));
            connection.releaseSavepoint(here);
            connection.commit();
            return told;
        });
        for (String save : List.of("always", "conservative", "never")) {
            Transcript.check("autosave " + save, () -> Server.with(other -> {
                other.setAutoCommit(false);
                return List.of(Server.one(other, "SELECT 1"), Transcript.either(() -> Server.ask(other, "SELECT * FROM nothing")), Transcript.either(() -> Server.ask(other, "SELECT 2")));
            }, "autosave=" + save));
        }
        Transcript.check("read only", () -> {
            connection.setReadOnly(true);
            List<Object> told = new ArrayList<>(List.of(Server.one(connection, "SHOW transaction_read_only")));
            told.add(Transcript.either(() -> Server.execute(connection, "CREATE TABLE public.made (x int)")));
            connection.rollback();
            connection.setReadOnly(false);
            return told;
        });
        Transcript.check("read only, always", () -> Server.with(other -> {
            other.setReadOnly(true);
            return List.of(Transcript.either(() -> Server.execute(other, "CREATE TABLE public.made (x int)")), Server.one(other, "SHOW default_transaction_read_only"));
        }, "readOnlyMode=always"));
        Transcript.check("one moment", () -> List.of(Server.one(connection, "SELECT now()").equals(Server.one(connection, "SELECT now()")),
                Server.one(connection, "SELECT now() = transaction_timestamp()")));
        connection.rollback();
        connection.setAutoCommit(true);
        Transcript.check("warnings", () -> {
            List<Object> told = new ArrayList<>();
            try (Statement statement = connection.createStatement()) {
                for (String query : List.of("COMMIT", "BEGIN", "BEGIN", "COMMIT")) {
                    statement.execute(query);
                    for (SQLWarning warning = statement.getWarnings(); warning != null; warning = warning.getNextWarning()) {
                        told.add(List.of(warning.getSQLState(), warning.getMessage()));
                    }
                    statement.clearWarnings();
                }
            }
            return told;
        });
    }

    private static void errors(Connection connection) {
        Transcript.part("errors");
        for (String query : List.of("SELEC 1", "SELECT * FROM customers WHERE", "SELECT * FROM nothing", "SELECT * FROM nothing.customers", "SELECT nothing FROM customer_360",
                "SELECT customer_id FROM customer_360 ORDER BY nothing", "SELECT nothing(1, 'a')", "SELECT customer_id, count(*) FROM orders", "SELECT 1 / 0", "SELECT 'abc'::int",
                "SELECT 99999999999::int", "SELECT '2026-02-30'::date", "SELECT 1 + true", "SELECT 1::nothing", "SELECT (SELECT order_id FROM orders)", "SELECT 1,\n  '€',\n  nothing",
                "SELECT customer_id FROM orders o JOIN customers c ON true", "SELECT sum(amount) FROM orders WHERE sum(amount) > 1", "SELECT 1 UNION SELECT 1, 2", "INSERT INTO nothing VALUES (1)")) {
            Transcript.refused(query.replace("\n", " "), () -> Server.ask(connection, query));
        }
        Transcript.refused("a parameter that is no number", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT ?::text::int")) {
                statement.setString(1, "a");
                return Transcript.rows(statement.executeQuery());
            }
        });
        Transcript.refused("a comparison of types", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT count(*) FROM orders WHERE amount = ?")) {
                statement.setString(1, "1");
                return Transcript.rows(statement.executeQuery());
            }
        });
        Transcript.check("severity and place", () -> {
            try (Statement statement = connection.createStatement()) {
                return statement.execute("SELECT nothing FROM orders");
            } catch (SQLException error) {
                var told = Transcript.said(error);
                return List.of(told.getSeverity(), told.getPosition(), error.getErrorCode(), error.getClass().getSimpleName());
            }
        });
        Transcript.check("after them", () -> Server.one(connection, "SELECT 1"));
    }

    private static void stopping(Connection connection) throws SQLException {
        Transcript.part("cancellation and timeouts");
        for (int fetch : List.of(0, 50)) {
            Transcript.refused("cancelled, fetch size " + fetch, () -> {
                try (Statement statement = connection.createStatement()) {
                    statement.setFetchSize(fetch);
                    return stopped(statement);
                }
            });
            Transcript.check("after it, fetch size " + fetch, () -> Server.one(connection, "SELECT 1"));
        }
        Transcript.refused("a timeout of the client", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(1);
                return statement.executeQuery(Transcript.ENDLESS);
            }
        });
        Transcript.check("a statement in time", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(60);
                return Transcript.rows(statement.executeQuery("SELECT 1"));
            }
        });
        Transcript.refused("a timeout of the server", () -> Server.with(other -> Server.ask(other, Transcript.ENDLESS), "options=-c statement_timeout=50"));
        Transcript.refused("ended by another", () -> Server.with(other -> {
            Server.one(connection, "SELECT pg_terminate_backend(" + other.unwrap(PGConnection.class).getBackendPID() + ")");
            return Server.one(other, "SELECT 1");
        }));
    }

    /**
     * A request to cancel is lost on a server that does not run the statement yet, and the driver sends one for a statement only:
     * the others are those of the connection, until the statement has ended.
     */
    private static Object stopped(Statement statement) throws Exception {
        PGConnection connection = statement.getConnection().unwrap(PGConnection.class);
        CountDownLatch ended = new CountDownLatch(1);
        Thread thread = new Thread(() -> {
            try {
                while (!ended.await(50, TimeUnit.MILLISECONDS)) {
                    statement.cancel();
                    connection.cancelQuery();
                }
            } catch (InterruptedException | SQLException error) {
                Thread.currentThread().interrupt();
            }
        });
        thread.start();
        try {
            return statement.executeQuery(Transcript.ENDLESS);
        } finally {
            ended.countDown();
            thread.join();
        }
    }

    private static void analysis(Connection connection) {
        Transcript.part("queries of reports");
        Map<String, String> queries = new LinkedHashMap<>();
        queries.put("revenue by month", "SELECT date_trunc('month', time) AS month, count(*), sum(amount), sum(sum(amount)) OVER (ORDER BY date_trunc('month', time)) FROM orders GROUP BY 1 ORDER BY 1");
        queries.put("stages", "SELECT lifecycle_stage, count(*), sum(net_revenue), round(avg(net_revenue), 2) FROM customer_360 GROUP BY 1 ORDER BY 1");
        queries.put("the latest order of each", "SELECT DISTINCT ON (customer_id) customer_id, order_id, time, amount FROM orders ORDER BY customer_id, time DESC, order_id LIMIT 10");
        queries.put("a pivot", "SELECT channel, count(*) FILTER (WHERE status = 'paid') AS paid, count(*) FILTER (WHERE status = 'shipped') AS shipped FROM orders GROUP BY 1 ORDER BY 1");
        queries.put("a wrapped query", "SELECT \"source\".\"channel\" AS \"channel\", count(*) AS \"count\" FROM (SELECT * FROM \"public\".\"orders\") AS \"source\" WHERE \"source\".\"paid\" = TRUE GROUP BY \"source\".\"channel\" ORDER BY \"source\".\"channel\" ASC LIMIT 2000");
        queries.put("days in the zone of the session", "SELECT time::date, count(*) FROM orders WHERE time >= '2026-05-01' GROUP BY 1 ORDER BY 1");
        queries.put("rows", "SELECT * FROM segments ORDER BY 1");
        for (Map.Entry<String, String> query : queries.entrySet()) {
            Transcript.check(query.getKey(), () -> Server.ask(connection, query.getValue()));
        }
    }
}
