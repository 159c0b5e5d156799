import java.sql.BatchUpdateException;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.ArrayList;
import java.util.List;
import org.postgresql.PGStatement;

/** How statements are sent and their rows are read: prepared, in portions, several at once, in batches. */
final class Statements {
    private Statements() {
    }

    static void prepared(Connection connection) {
        Transcript.part("statements that are prepared");
        Transcript.check("other values each time", () -> {
            List<Object> told = new ArrayList<>();
            try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int + 1, upper(?::text), ?::timestamptz")) {
                for (int time = 1; time <= 8; time++) {
                    statement.setInt(1, time);
                    statement.setString(2, "text " + time);
                    statement.setTimestamp(3, new Timestamp(1_780_000_000_000L + time));
                    told.add(List.of(statement.unwrap(PGStatement.class).isUseServerPrepare(), Transcript.rows(statement.executeQuery())));
                }
            }
            return told;
        });
        Transcript.check("after a change of the search path", () -> {
            List<Object> told = new ArrayList<>();
            try (PreparedStatement statement = connection.prepareStatement("SELECT count(*) > 0, current_schema() FROM customers WHERE ? > 0")) {
                statement.unwrap(PGStatement.class).setPrepareThreshold(1);
                for (String path : List.of("public", "public, raw", "perennial, public", "public")) {
                    Server.execute(connection, "SET search_path = " + path);
                    statement.setInt(1, 1);
                    told.addAll(Transcript.rows(statement.executeQuery()));
                }
            }
            return told;
        });
        Transcript.check("after a change of the zone", () -> {
            List<Object> told = new ArrayList<>();
            try (PreparedStatement statement = connection.prepareStatement("SELECT '2026-07-01 12:00+00'::timestamptz::text, ?::int")) {
                statement.unwrap(PGStatement.class).setPrepareThreshold(1);
                for (String zone : List.of("UTC", "Asia/Tokyo", "Europe/Berlin")) {
                    Server.execute(connection, "SET TIME ZONE '" + zone + "'");
                    statement.setInt(1, 1);
                    told.addAll(Transcript.rows(statement.executeQuery()));
                }
            }
            return told;
        });
        for (String gone : List.of("DEALLOCATE ALL", "DISCARD ALL")) {
            Transcript.check("after " + gone, () -> {
                List<Object> told = new ArrayList<>();
                try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int")) {
                    statement.unwrap(PGStatement.class).setPrepareThreshold(1);
                    for (int time = 1; time <= 3; time++) {
                        statement.setInt(1, time);
                        told.addAll(Transcript.rows(statement.executeQuery()));
                        Server.execute(connection, gone);
                    }
                }
                return told;
            });
        }
        Transcript.check("more of them than are kept", () -> Server.with(other -> {
            long sum = 0;
            for (int round = 0; round < 2; round++) {
                for (int query = 0; query < 12; query++) {
                    try (PreparedStatement statement = other.prepareStatement("SELECT ?::int + " + query)) {
                        statement.setInt(1, query);
                        sum += (Integer) Transcript.rows(statement.executeQuery()).get(0).get(0);
                    }
                }
            }
            return sum;
        }, "prepareThreshold=1", "preparedStatementCacheQueries=4"));
        Transcript.check("an error, and again", () -> {
            List<Object> told = new ArrayList<>();
            try (PreparedStatement statement = connection.prepareStatement("SELECT 6 / ?::int")) {
                statement.unwrap(PGStatement.class).setPrepareThreshold(1);
                for (int divisor : List.of(0, 1, 0, 2)) {
                    statement.setInt(1, divisor);
                    told.add(Transcript.either(() -> Transcript.rows(statement.executeQuery())));
                }
            }
            return told;
        });
        Transcript.check("a call", () -> {
            try (CallableStatement call = connection.prepareCall("{? = call upper(?)}")) {
                call.registerOutParameter(1, Types.VARCHAR);
                call.setString(2, "abc");
                call.execute();
                return call.getString(1);
            }
        });
        Transcript.refused("a value too few", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT $1::int")) {
                return Transcript.rows(statement.executeQuery());
            }
        });
    }

    static void portions(Connection connection) throws SQLException {
        Transcript.part("results in portions");
        connection.setAutoCommit(false);
        for (int size : List.of(0, 1, 50, 1000)) {
            Transcript.check("fetch size " + size, () -> {
                try (PreparedStatement statement = connection.prepareStatement("SELECT x, 'row ' || x FROM generate_series(1, ?::int) AS t(x)")) {
                    statement.setFetchSize(size);
                    statement.unwrap(PGStatement.class).setPrepareThreshold(1);
                    List<Object> told = new ArrayList<>();
                    for (int limit : List.of(100, 49, 50, 51, 0)) {
                        statement.setInt(1, limit);
                        List<List<Object>> rows = Transcript.rows(statement.executeQuery());
                        told.add(List.of(rows.size(), rows.isEmpty() ? "none" : rows.get(rows.size() - 1)));
                    }
                    return told;
                }
            });
        }
        Transcript.check("all events in their order", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(50);
                String query = "SELECT * FROM events ORDER BY source, record_key";
                return List.of(Transcript.text(Transcript.rows(statement.executeQuery(query))).equals(Transcript.text(Server.ask(connection, query))),
                        Transcript.rows(statement.executeQuery(query)).size() > 1000);
            }
        });
        Transcript.check("two at a time", () -> {
            try (Statement one = connection.createStatement(); Statement other = connection.createStatement()) {
                one.setFetchSize(50);
                other.setFetchSize(70);
                int pairs = 0;
                try (ResultSet left = one.executeQuery("SELECT x FROM generate_series(1, 500) AS t(x) ORDER BY x");
                        ResultSet right = other.executeQuery("SELECT -x FROM generate_series(1, 500) AS t(x) ORDER BY x")) {
                    while (left.next() && right.next() && left.getInt(1) == -right.getInt(1)) {
                        pairs++;
                    }
                }
                return pairs;
            }
        });
        Transcript.check("left early", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(50);
                try (ResultSet rows = statement.executeQuery("SELECT * FROM events")) {
                    return List.of(rows.next(), Server.one(connection, "SELECT 2"), rows.next());
                }
            }
        });
        Transcript.check("the transaction ends before", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(50);
                try (ResultSet rows = statement.executeQuery("SELECT * FROM events")) {
                    boolean first = rows.next();
                    connection.rollback();
                    int fetched = 1;
                    while (fetched < 50 && rows.next()) {
                        fetched++;
                    }
                    List<Object> told = List.of(first, fetched, Transcript.either(rows::next));
                    connection.rollback();
                    return told;
                }
            }
        });
        Transcript.check("an error among the rows", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setFetchSize(50);
                Object told = Transcript.either(() -> Transcript.rows(statement.executeQuery("SELECT 100 / (500 - x) FROM generate_series(1, 1000) AS t(x)")));
                connection.rollback();
                return List.of(told, Server.one(connection, "SELECT 1"));
            }
        });
        Transcript.check("outside of a transaction", () -> Server.with(other -> {
            try (Statement statement = other.createStatement()) {
                statement.setFetchSize(2);
                return Transcript.rows(statement.executeQuery("SELECT segment FROM segments ORDER BY 1"));
            }
        }));
        Transcript.check("by the url", () -> Server.with(other -> {
            other.setAutoCommit(false);
            return Server.ask(other, "SELECT x FROM generate_series(1, 25) AS t(x)");
        }, "defaultRowFetchSize=10", "adaptiveFetch=true"));
        Transcript.check("some rows only", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setMaxRows(3);
                List<Object> told = new ArrayList<>(List.of(Transcript.rows(statement.executeQuery("SELECT order_id FROM orders ORDER BY 1")),
                        Transcript.rows(statement.executeQuery("SELECT 1"))));
                statement.setMaxRows(0);
                told.add(Transcript.rows(statement.executeQuery("SELECT x FROM generate_series(1, 5) AS t(x)")));
                return told;
            }
        });
        connection.rollback();
    }

    static void cursors(Connection connection) throws SQLException {
        Transcript.part("results that go back, and cursors");
        Transcript.check("back and forth", () -> {
            try (Statement statement = connection.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
                    ResultSet rows = statement.executeQuery("SELECT x FROM generate_series(1, 9) AS t(x)")) {
                return List.of(rows.last(), rows.getInt(1), rows.previous(), rows.getInt(1), rows.absolute(3), rows.getInt(1), rows.relative(-2), rows.getRow(), rows.first(), rows.isFirst());
            }
        });
        Transcript.check("held over the end of a transaction", () -> {
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY, ResultSet.HOLD_CURSORS_OVER_COMMIT)) {
                statement.setFetchSize(2);
                ResultSet rows = statement.executeQuery("SELECT x FROM generate_series(1, 5) AS t(x)");
                boolean first = rows.next();
                connection.commit();
                return List.of(first, Transcript.rows(rows));
            }
        });
        Transcript.check("declared", () -> {
            List<Object> told = new ArrayList<>();
            Server.execute(connection, "DECLARE c SCROLL CURSOR FOR SELECT order_id FROM orders ORDER BY order_id");
            for (String fetch : List.of("FETCH 2 FROM c", "FETCH BACKWARD 1 FROM c", "FETCH ABSOLUTE 5 FROM c", "FETCH LAST FROM c")) {
                told.add(Server.ask(connection, fetch));
            }
            Server.execute(connection, "CLOSE c");
            return told;
        });
        connection.rollback();
    }

    static void severalStatements(Connection connection) throws SQLException {
        Transcript.part("several statements at once");
        for (String query : List.of("SELECT 1 AS a; SELECT 2 AS b, 'x;y' AS c", "SET application_name = 'two'; SHOW application_name", "SELECT 1; SELECT 1 / 0; SELECT 2",
                "", ";", "-- a comment", "SELECT 3;", "BEGIN; SELECT 1; COMMIT", "SELECT 'a?b' /* ? */ -- ?", "WITH a AS (SELECT 1) SELECT * FROM a; VALUES (1), (2)")) {
            for (String mode : List.of("extended", "simple", "extendedForPrepared")) {
                Transcript.check(mode + ": " + query, () -> Server.with(other -> results(other, query), "preferQueryMode=" + mode));
            }
        }
    }

    /** What each statement of a text gives: rows or a count. */
    private static Object results(Connection connection, String query) throws SQLException {
        List<Object> told = new ArrayList<>();
        try (Statement statement = connection.createStatement()) {
            boolean rows = statement.execute(query);
            while (rows || statement.getUpdateCount() != -1) {
                told.add(rows ? Transcript.rows(statement.getResultSet()) : statement.getUpdateCount());
                rows = statement.getMoreResults();
            }
        } catch (SQLException error) {
            told.add(Transcript.brief(error));
        }
        return told;
    }

    static void batches(Connection connection) throws SQLException {
        Transcript.part("batches");
        for (String mode : List.of("extended", "simple", "extendedCacheEverything")) {
            Transcript.check("settings, " + mode, () -> Server.with(other -> {
                try (Statement statement = other.createStatement()) {
                    statement.addBatch("SET application_name = 'batch'");
                    statement.addBatch("SET extra_float_digits = 3");
                    statement.addBatch("RESET extra_float_digits");
                    return List.of(statement.executeBatch(), Server.one(other, "SHOW application_name"));
                }
            }, "preferQueryMode=" + mode));
            Transcript.check("an error in the middle, " + mode, () -> Server.with(other -> {
                other.setAutoCommit(false);
                try (Statement statement = other.createStatement()) {
                    for (String query : List.of("SET application_name = 'one'", "SET nothing = 1", "SET application_name = 'two'")) {
                        statement.addBatch(query);
                    }
                    return statement.executeBatch();
                } catch (BatchUpdateException error) {
                    other.rollback();
                    return List.of(error.getUpdateCounts(), Transcript.brief(error), Server.one(other, "SHOW application_name"));
                }
            }, "preferQueryMode=" + mode));
        }
        Transcript.check("queries in a batch", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT set_config('application_name', ?, false)")) {
                for (String name : List.of("a", "b", "c")) {
                    statement.setString(1, name);
                    statement.addBatch();
                }
                return statement.executeBatch();
            } catch (BatchUpdateException error) {
                return List.of(error.getUpdateCounts().length, error.getMessage().split(":")[0], Server.one(connection, "SHOW application_name"));
            }
        });
    }
}
