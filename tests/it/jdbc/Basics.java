// What BI tools do with the JDBC driver. `java -cp <class path of the driver> Basics.java <jdbc url>` prints `ok <check>` for
// each check that holds, then every one that does not with what was expected and what came; the exit code is 1 if any.
//
// Every expectation was seen on PostgreSQL 15, over relations of the same names, columns, keys and comments.

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.TimeZone;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import org.postgresql.Driver;
import org.postgresql.PGConnection;
import org.postgresql.PGProperty;
import org.postgresql.PGResultSetMetaData;
import org.postgresql.PGStatement;
import org.postgresql.util.PSQLException;

public final class Basics {
    /** Rows at once, then hours of work without one. */
    private static final String ENDLESS = """
            SELECT x FROM generate_series(1, 10000) AS t(x) UNION ALL
            SELECT count(*) FROM generate_series(1, 1000) AS a(y), generate_series(1, 100000000) AS b(z) WHERE y + z = 0""";

    /** A value of every type that is served, and NULL. */
    private static final String VALUES = """
            SELECT 7::int AS i, (-8000000000)::bigint AS l, 3::smallint AS s, 'a''b \u20ac \ud83d\ude00'::text AS t,
                   1234567890.12::numeric(18,4) AS n, (-0.05)::numeric(10,2) AS c, 0.1::double precision AS f, 0.25::real AS r,
                   true AS b, false AS o, timestamp '2026-01-02 03:04:05.678901' AS ts,
                   timestamptz '2026-07-02 03:04:05.678901+00' AS tz, date '2026-03-29' AS d, date '1899-12-31' AS e,
                   '03:04:05.5'::time AS h, interval '1 day 2 hours' AS v, decode('0041ff', 'hex') AS y,
                   '{"a": 1}'::jsonb AS j, ARRAY[1, NULL, 3]::int[] AS ia, ARRAY['x', 'y z', '"', NULL]::text[] AS ta,
                   ARRAY[1.5, 2.25]::numeric(10,2)[] AS na, NULL::int AS zi, NULL::text AS zt, NULL::timestamptz AS ztz,
                   NULL::numeric AS zn, NULL::boolean AS zb""";

    private static final LocalDateTime LOCAL = LocalDateTime.parse("2026-01-02T03:04:05.678901");
    private static final OffsetDateTime MOMENT = OffsetDateTime.parse("2026-07-02T03:04:05.678901Z");

    private static String url;
    /** What is wrong in the check that runs. */
    private static final List<String> wrong = new ArrayList<>();
    /** The checks that do not hold, each with what is wrong. */
    private static final List<String> failures = new ArrayList<>();

    private interface Check {
        void run(Connection connection) throws Exception;
    }

    private interface Action {
        void run() throws SQLException;
    }

    public static void main(String[] arguments) {
        url = arguments[0];
        // The driver tells the server the zone of this process: one with summer time shows who confuses the two.
        TimeZone.setDefault(TimeZone.getTimeZone("Europe/Berlin"));

        check("connect", Basics::connect);
        check("session", Basics::session);
        check("time zone", Basics::timeZone);
        check("statement", Basics::statement);
        check("prepared statement in text", Basics::valuesInText);
        check("prepared statement in binary", Basics::valuesInBinary);
        check("prepared statement with other values", Basics::otherValues);
        check("prepared statement with another type", Basics::otherType);
        check("simple query mode", Basics::simpleQueryMode);
        check("text with a zone", Basics::textWithZone);
        check("parameters", Basics::parameters);
        check("parameters in binary", Basics::parametersInBinary);
        check("parameter of bytes", Basics::bytesParameter);
        check("parameters in filters", Basics::filters);
        check("parameters of unknown type", Basics::optionalFilter);
        check("parameter metadata", Basics::parameterMetaData);
        check("escapes", Basics::escapes);
        check("fetch size", Basics::fetchSize);
        check("fetch size with two results", Basics::twoPortals);
        check("fetch size left early", Basics::leftEarly);
        check("max rows", Basics::maxRows);
        check("result metadata", Basics::resultMetaData);
        check("result metadata of aggregates", Basics::aggregateMetaData);
        check("result metadata before execution", Basics::describedMetaData);
        check("getSchemas", Basics::schemas);
        check("getTables", Basics::tables);
        check("getTables of patterns and types", Basics::tablePatterns);
        check("getColumns", Basics::columns);
        check("getColumns of everything", Basics::allColumns);
        check("getPrimaryKeys", Basics::primaryKeys);
        check("getIndexInfo", Basics::indexInfo);
        check("getBestRowIdentifier", Basics::bestRow);
        check("getSQLKeywords", Basics::keywords);
        check("getImportedKeys", Basics::importedKeys);
        check("getExportedKeys", Basics::exportedKeys);
        check("getTypeInfo", Basics::typeInfo);
        check("getFunctions", Basics::functions);
        check("getFunctionColumns", Basics::functionColumns);
        check("getProcedures", Basics::procedures);
        check("getTablePrivileges", Basics::tablePrivileges);
        check("limits of the server", Basics::limits);
        check("errors", Basics::errors);
        check("errors with a position", Basics::positions);
        check("error among the rows", Basics::errorAmongRows);
        check("unknown database", Basics::unknownDatabase);
        check("read only", Basics::readOnly);
        check("failed transaction", Basics::failedTransaction);
        check("savepoint", Basics::savepoint);
        check("cancel", Basics::cancel);
        check("query timeout", Basics::queryTimeout);
        check("copy", Basics::copy);
        check("several statements at once", Basics::severalStatements);
        check("batch", Basics::batch);

        for (String failure : failures) {
            System.out.println(failure);
        }
        if (!failures.isEmpty()) {
            System.exit(1);
        }
        System.out.println("done");
    }

    // The connection.

    private static void connect(Connection connection) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        expect("product", "PostgreSQL", about.getDatabaseProductName());
        expect("major version", 15, about.getDatabaseMajorVersion());
        expect("server_version", about.getDatabaseProductVersion(), one(connection, "SHOW server_version"));
        String version = one(connection, "SELECT version()");
        expect("version()", true, version.startsWith("PostgreSQL 15."));
        expect("server_version_num", true, one(connection, "SHOW server_version_num").startsWith("15"));
        expect("catalog", "perennial", connection.getCatalog());
        expect("user", "admin", about.getUserName());
        expect("isValid", true, connection.isValid(30));
    }

    private static void session(Connection connection) throws Exception {
        expect("schema", "public", connection.getSchema());
        connection.setSchema("raw");
        expect("schema after setSchema", "raw", connection.getSchema());
        connection.setClientInfo("ApplicationName", "a 'report'");
        expect("application name", "a 'report'", one(connection, "SHOW application_name"));
        for (int level : List.of(
                Connection.TRANSACTION_READ_UNCOMMITTED,
                Connection.TRANSACTION_READ_COMMITTED,
                Connection.TRANSACTION_REPEATABLE_READ,
                Connection.TRANSACTION_SERIALIZABLE)) {
            // Every transaction of Perennial is repeatable read; pools and Metabase ask for any.
            connection.setTransactionIsolation(level);
            expect("isolation level", true,
                    List.of(level, Connection.TRANSACTION_REPEATABLE_READ).contains(connection.getTransactionIsolation()));
        }
        connection.setNetworkTimeout(Runnable::run, 60_000);
        try (Connection other = open(PGProperty.CURRENT_SCHEMA, "perennial,public", PGProperty.APPLICATION_NAME, "board")) {
            expect("current schema of the url", "perennial", one(other, "SELECT current_schema()"));
            expect("application name of the url", "board", one(other, "SHOW application_name"));
        }
    }

    private static void timeZone(Connection connection) throws Exception {
        expect("TimeZone", "Europe/Berlin", one(connection, "SHOW TimeZone"));
        expect("summer", "2026-07-01 14:00:00+02", one(connection, "SELECT timestamptz '2026-07-01 12:00:00+00'"));
        expect("winter", "2026-01-01 13:00:00+01", one(connection, "SELECT timestamptz '2026-01-01 12:00:00+00'"));
        expect("day", "2026-07-01 00:00:00+02",
                one(connection, "SELECT date_trunc('day', timestamptz '2026-07-01 23:00:00+02')"));
        connection.createStatement().execute("SET SESSION TIME ZONE 'UTC'");
        expect("UTC", "2026-07-01 12:00:00+00", one(connection, "SELECT timestamptz '2026-07-01 12:00:00+00'"));
    }

    // Values.

    private static void statement(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(VALUES)) {
            expectValues(rows, 0);
        }
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT * FROM orders")) {
            int count = 0;
            while (rows.next()) {
                count++;
            }
            expect("rows of orders", one(connection, "SELECT count(*) FROM orders"), Integer.toString(count));
        }
        expect("no rows", List.of(), list(connection, "SELECT customer_id FROM customers WHERE customer_id = 'nobody'"));
    }

    private static void valuesInText(Connection connection) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement(VALUES)) {
            statement.unwrap(PGStatement.class).setPrepareThreshold(0);
            try (ResultSet rows = statement.executeQuery()) {
                expectValues(rows, 0);
            }
        }
    }

    private static void valuesInBinary(Connection connection) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement(VALUES)) {
            for (int time = 1; time <= 10; time++) {
                expect("named statement", time >= 5, statement.unwrap(PGStatement.class).isUseServerPrepare());
                try (ResultSet rows = statement.executeQuery()) {
                    // The fifth time names and describes the statement, the sixth knows the types that it gets.
                    expectValues(rows, time > 5 ? 1 : 0);
                }
            }
        }
    }

    private static void simpleQueryMode(Connection unused) throws Exception {
        try (Connection connection = open(PGProperty.PREFER_QUERY_MODE, "simple")) {
            statement(connection);
            parameters(connection);
        }
    }

    /** How the driver writes a Timestamp or Date into a statement; a type without a zone leaves it aside. */
    private static void textWithZone(Connection connection) throws Exception {
        expectAnswer(connection, "2026-01-02 03:04:05.678901", "SELECT '2026-01-02 03:04:05.678901+01'::timestamp");
        expectAnswer(connection, "2026-01-02 03:04:05.678901", "SELECT timestamp '2026-01-02 03:04:05.678901+01'");
        expectAnswer(connection, "2026-01-02 03:04:05.678901+01", "SELECT '2026-01-02 03:04:05.678901+01'::timestamptz");
        expectAnswer(connection, "2026-03-29", "SELECT '2026-03-29 +01'::date");
        expectAnswer(connection, "2026-03-29 00:00:00+01", "SELECT '2026-03-29 +01'::timestamptz");
    }

    /** The one row of VALUES, read as tools do; a number comes in `format`, 0 for text and 1 for binary. */
    private static void expectValues(ResultSet rows, int format) throws Exception {
        expect("format", format, rows.getMetaData().unwrap(PGResultSetMetaData.class).getFormat(1));
        expect("a row", true, rows.next());
        expect("int", 7, rows.getInt("i"));
        expect("int as object", 7, rows.getObject("i"));
        expect("int as bigint", 7L, rows.getLong("i"));
        expect("bigint", -8_000_000_000L, rows.getLong("l"));
        expect("bigint as object", -8_000_000_000L, rows.getObject("l"));
        expect("bigint as text", "-8000000000", rows.getString("l"));
        expect("smallint", (short) 3, rows.getShort("s"));
        expect("text", "a'b \u20ac \ud83d\ude00", rows.getString("t"));
        expect("text as object", "a'b \u20ac \ud83d\ude00", rows.getObject("t"));
        expect("numeric", new BigDecimal("1234567890.1200"), rows.getBigDecimal("n"));
        expect("numeric as object", new BigDecimal("1234567890.1200"), rows.getObject("n"));
        expect("numeric as double", 1234567890.12, rows.getDouble("n"));
        expect("numeric as text", "1234567890.1200", rows.getString("n"));
        expect("small numeric", new BigDecimal("-0.05"), rows.getBigDecimal("c"));
        expect("double", 0.1, rows.getDouble("f"));
        expect("double as object", 0.1, rows.getObject("f"));
        expect("double as text", "0.1", rows.getString("f"));
        expect("real", 0.25f, rows.getFloat("r"));
        expect("true", true, rows.getBoolean("b"));
        expect("true as object", true, rows.getObject("b"));
        expect("true as text", "t", rows.getString("b"));
        expect("false", false, rows.getBoolean("o"));
        expect("timestamp", LOCAL, rows.getTimestamp("ts").toLocalDateTime());
        expect("timestamp as LocalDateTime", LOCAL, rows.getObject("ts", LocalDateTime.class));
        expect("timestamp as text", "2026-01-02 03:04:05.678901", rows.getString("ts"));
        expect("timestamptz", MOMENT.toInstant(), rows.getTimestamp("tz").toInstant());
        expect("timestamptz as OffsetDateTime", MOMENT.toInstant(), rows.getObject("tz", OffsetDateTime.class).toInstant());
        expect("timestamptz as date", LocalDate.parse("2026-07-02"), rows.getDate("tz").toLocalDate());
        expect("timestamptz as text", "2026-07-02 05:04:05.678901+02", rows.getString("tz"));
        expect("date", LocalDate.parse("2026-03-29"), rows.getDate("d").toLocalDate());
        expect("date as LocalDate", LocalDate.parse("2026-03-29"), rows.getObject("d", LocalDate.class));
        expect("date as object", Date.valueOf("2026-03-29"), rows.getObject("d"));
        expect("date as text", "2026-03-29", rows.getString("d"));
        expect("old date", LocalDate.parse("1899-12-31"), rows.getObject("e", LocalDate.class));
        expect("time as LocalTime", LocalTime.parse("03:04:05.5"), rows.getObject("h", LocalTime.class));
        expect("interval as text", "1 day 02:00:00", rows.getString("v"));
        expect("bytea", List.of((byte) 0, (byte) 0x41, (byte) 0xff), bytes(rows.getBytes("y")));
        expect("jsonb as text", "{\"a\": 1}", rows.getString("j"));
        expect("int[]", Arrays.asList(1, null, 3), items(rows.getArray("ia")));
        expect("text[]", Arrays.asList("x", "y z", "\"", null), items(rows.getArray("ta")));
        if (format == 0) {
            // In binary, the driver writes the text, and quotes more.
            expect("text[] as text", "{x,\"y z\",\"\\\"\",NULL}", rows.getString("ta"));
        }
        expect("numeric[]", List.of(new BigDecimal("1.50"), new BigDecimal("2.25")), items(rows.getArray("na")));
        expect("null int", 0, rows.getInt("zi"));
        expect("null int was null", true, rows.wasNull());
        for (String column : List.of("zi", "zt", "ztz", "zn", "zb")) {
            expect("null " + column, null, rows.getObject(column));
        }
        expect("null timestamptz", null, rows.getTimestamp("ztz"));
        expect("null numeric", null, rows.getBigDecimal("zn"));
        expect("another row", false, rows.next());
    }

    private static void otherValues(Connection connection) throws Exception {
        String sql = "SELECT ?::int + 1 AS n, upper(?::text) AS t, ?::timestamptz AS tz";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int time = 1; time <= 10; time++) {
                Instant instant = MOMENT.toInstant().plusSeconds(time);
                statement.setInt(1, time);
                statement.setString(2, "text " + time);
                statement.setTimestamp(3, Timestamp.from(instant));
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    expect("number", time + 1, rows.getInt("n"));
                    expect("text", "TEXT " + time, rows.getString("t"));
                    expect("instant", instant, rows.getTimestamp("tz").toInstant());
                }
            }
        }
    }

    private static void otherType(Connection connection) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement("SELECT ? AS value")) {
            statement.unwrap(PGStatement.class).setPrepareThreshold(1);
            for (Object value : List.of(1, 2, 3_000_000_000L, "text", true, 4)) {
                statement.setObject(1, value);
                try (ResultSet rows = statement.executeQuery()) {
                    rows.next();
                    expect("value", value, rows.getObject("value"));
                }
            }
        }
    }

    // Parameters.

    private static final String PARAMETERS = """
            SELECT ?::int AS i, ?::bigint AS l, ?::text AS t, ?::numeric(10,2) AS n, ?::timestamp AS ts, ?::timestamptz AS tz,
                   ?::timestamptz AS odt, ?::timestamp AS ldt, ?::date AS d, ?::date AS ld, ?::boolean AS b,
                   ?::double precision AS f, ?::int AS zi, ?::text AS zt, ?::timestamptz AS ztz,
                   ?::text[] AS ta, ?::bigint[] AS la""";

    private static void parameters(Connection connection) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement(PARAMETERS)) {
            expectParameters(connection, statement);
        }
    }

    private static void parametersInBinary(Connection connection) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement(PARAMETERS)) {
            for (int time = 1; time <= 10; time++) {
                expectParameters(connection, statement);
            }
        }
    }

    private static void expectParameters(Connection connection, PreparedStatement statement) throws Exception {
        statement.setInt(1, 7);
        statement.setLong(2, 8_000_000_000L);
        statement.setString(3, "a'b\\ \u20ac \ud83d\ude00");
        statement.setBigDecimal(4, new BigDecimal("12.34"));
        statement.setTimestamp(5, Timestamp.valueOf(LOCAL));
        statement.setTimestamp(6, Timestamp.from(MOMENT.toInstant()));
        statement.setObject(7, MOMENT);
        statement.setObject(8, LOCAL);
        statement.setDate(9, Date.valueOf("2026-03-29"));
        statement.setObject(10, LocalDate.parse("2026-03-29"));
        statement.setBoolean(11, true);
        statement.setDouble(12, 0.1);
        statement.setNull(13, Types.INTEGER);
        statement.setNull(14, Types.VARCHAR);
        statement.setNull(15, Types.TIMESTAMP);
        statement.setArray(16, connection.createArrayOf("text", new String[] {"x", "y z", "\"", null}));
        statement.setArray(17, connection.createArrayOf("bigint", new Long[] {1L, 8_000_000_000L}));
        try (ResultSet rows = statement.executeQuery()) {
            rows.next();
            expect("int", 7, rows.getInt("i"));
            expect("bigint", 8_000_000_000L, rows.getLong("l"));
            expect("text", "a'b\\ \u20ac \ud83d\ude00", rows.getString("t"));
            expect("numeric", new BigDecimal("12.34"), rows.getBigDecimal("n"));
            expect("Timestamp as timestamp", LOCAL, rows.getTimestamp("ts").toLocalDateTime());
            expect("Timestamp as timestamptz", MOMENT.toInstant(), rows.getTimestamp("tz").toInstant());
            expect("OffsetDateTime", MOMENT.toInstant(), rows.getTimestamp("odt").toInstant());
            expect("LocalDateTime", LOCAL, rows.getObject("ldt", LocalDateTime.class));
            expect("Date", LocalDate.parse("2026-03-29"), rows.getDate("d").toLocalDate());
            expect("LocalDate", LocalDate.parse("2026-03-29"), rows.getObject("ld", LocalDate.class));
            expect("boolean", true, rows.getObject("b"));
            expect("double", 0.1, rows.getDouble("f"));
            expect("null int", null, rows.getObject("zi"));
            expect("null text", null, rows.getString("zt"));
            expect("null timestamptz", null, rows.getTimestamp("ztz"));
            expect("text[]", Arrays.asList("x", "y z", "\"", null), items(rows.getArray("ta")));
            expect("bigint[]", List.of(1L, 8_000_000_000L), items(rows.getArray("la")));
        }
    }

    /** Not in the simple query mode: the driver sends no bytes there. */
    private static void bytesParameter(Connection connection) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::bytea")) {
            statement.setBytes(1, new byte[] {0, 0x41, -1});
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                expect("bytea", List.of((byte) 0, (byte) 0x41, (byte) 0xff), bytes(rows.getBytes(1)));
            }
        }
    }

    private static void filters(Connection connection) throws Exception {
        String pivot = one(connection, "SELECT time FROM orders ORDER BY time, order_id LIMIT 1 OFFSET 100");
        String customer = one(connection, "SELECT max(customer_id) FROM orders");
        String status = one(connection, "SELECT max(status) FROM orders");
        expectCount(connection, "amount > ?", "amount > 10.5", new BigDecimal("10.5"));
        expectCount(connection, "amount > ?", "amount > 10", 10);
        expectCount(connection, "time > ?", "time > '" + pivot + "'", Timestamp.from(instant(pivot)));
        expectCount(connection, "time > ?", "time > '" + pivot + "'", instant(pivot).atOffset(ZoneOffset.UTC));
        expectCount(connection, "paid = ?", "paid", true);
        expectCount(connection, "customer_id = ?", "customer_id = '" + customer + "'", customer);
        expectCount(connection, "status IN (?, ?)", "status IN ('" + status + "', 'x')", status, "x");
        expectCount(connection, "order_id LIKE ?", "order_id LIKE '%1%'", "%1%");
        expectCount(connection, "status = ANY (?)", "status IN ('" + status + "', 'x')",
                connection.createArrayOf("text", new String[] {status, "x"}));
        String day = pivot.substring(0, 10);
        expectCount(connection, "time::date BETWEEN ? AND ?", "time::date BETWEEN '2000-01-01' AND '" + day + "'",
                LocalDate.parse("2000-01-01"), LocalDate.parse(day));
        String sql = "SELECT order_id FROM orders ORDER BY 1 LIMIT ? OFFSET ?";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setInt(1, 5);
            statement.setInt(2, 10);
            expect("LIMIT and OFFSET", list(connection, "SELECT order_id FROM orders ORDER BY 1 LIMIT 5 OFFSET 10"),
                    list(statement.executeQuery()));
        }
    }

    /** The same number of orders, and some, for a condition with parameters and for the same with literals. */
    private static void expectCount(Connection connection, String condition, String same, Object... parameters)
            throws Exception {
        String count = one(connection, "SELECT count(*) FROM orders WHERE " + same);
        expect("orders with " + same, false, count.equals("0"));
        try (PreparedStatement statement = connection.prepareStatement("SELECT count(*) FROM orders WHERE " + condition)) {
            for (int index = 0; index < parameters.length; index++) {
                statement.setObject(index + 1, parameters[index]);
            }
            ResultSet rows = statement.executeQuery();
            rows.next();
            expect("orders with " + condition, count, rows.getString(1));
        }
    }

    /** The filter of a dashboard that is not set. */
    private static void optionalFilter(Connection connection) throws Exception {
        String all = one(connection, "SELECT count(*) FROM orders");
        String sql = """
                SELECT count(*) FROM orders
                WHERE (?::text IS NULL OR status = ?) AND (?::timestamptz IS NULL OR time > ?)""";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setNull(1, Types.VARCHAR);
            statement.setNull(2, Types.VARCHAR);
            statement.setNull(3, Types.TIMESTAMP);
            statement.setNull(4, Types.TIMESTAMP);
            expect("no filter", List.of(all), list(statement.executeQuery()));
            statement.setObject(1, null);
            statement.setObject(2, null);
            statement.setTimestamp(3, null);
            statement.setTimestamp(4, null);
            expect("no filter and no type", List.of(all), list(statement.executeQuery()));
            statement.setString(1, "no such status");
            statement.setString(2, "no such status");
            expect("a filter", List.of("0"), list(statement.executeQuery()));
        }
    }

    private static void parameterMetaData(Connection connection) throws Exception {
        String sql = """
                SELECT order_id FROM orders
                WHERE amount > ? AND time >= ? AND customer_id = ? AND paid = ? AND order_id = ANY (?) LIMIT ?""";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            ParameterMetaData about = statement.getParameterMetaData();
            List<String> types = new ArrayList<>();
            for (int index = 1; index <= about.getParameterCount(); index++) {
                types.add(about.getParameterTypeName(index));
            }
            expect("types", List.of("numeric", "timestamptz", "text", "bool", "_text", "int8"), types);
        }
    }

    private static void escapes(Connection connection) throws Exception {
        expect("{d}", "2026-01-02", one(connection, "SELECT {d '2026-01-02'}"));
        expect("{ts}", "2026-01-02 03:04:05", one(connection, "SELECT {ts '2026-01-02 03:04:05'}"));
        expect("{fn ucase}", "ABC", one(connection, "SELECT {fn ucase('abc')}"));
        expect("{fn concat}", "ab", one(connection, "SELECT {fn concat('a', 'b')}"));
        expect("{fn year}", "2026", one(connection, "SELECT {fn year(date '2026-01-02')}"));
        expect("{fn ifnull}", "x", one(connection, "SELECT {fn ifnull(NULL, 'x')}"));
        expect("{oj}", one(connection, "SELECT count(*) FROM orders"), one(connection,
                "SELECT count(*) FROM {oj orders o LEFT OUTER JOIN customers c ON o.customer_id = c.customer_id}"));
    }

    // Rows in portions.

    private static void fetchSize(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        String events = one(connection, "SELECT count(*) FROM events");
        expect("more than 1,000 events", true, Integer.parseInt(events) > 1_000);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(50);
            long count = 0;
            long sum = 0;
            try (ResultSet rows = statement.executeQuery("SELECT x, 'row ' || x AS t FROM generate_series(1, 2345) AS t(x)")) {
                while (rows.next()) {
                    count++;
                    sum += rows.getLong("x");
                }
            }
            expect("numbers", 2345L, count);
            expect("sum of the numbers", 2345L * 2346 / 2, sum);
            List<String> keys = new ArrayList<>();
            try (ResultSet rows = statement.executeQuery("SELECT * FROM events ORDER BY source, record_key")) {
                while (rows.next()) {
                    keys.add(rows.getString("record_key"));
                }
            }
            expect("events", events, Integer.toString(keys.size()));
            expect("their order", true,
                    keys.equals(list(connection, "SELECT record_key FROM events ORDER BY source, record_key")));
            try (ResultSet rows = statement.executeQuery("SELECT 1 WHERE false")) {
                expect("no row", false, rows.next());
            }
        }
        // A portion that ends with the result, and a prepared statement in binary.
        try (PreparedStatement statement = connection.prepareStatement("SELECT x FROM generate_series(1, ?) AS t(x)")) {
            statement.setFetchSize(50);
            statement.unwrap(PGStatement.class).setPrepareThreshold(1);
            for (int limit : List.of(100, 49, 50, 51, 1_000)) {
                statement.setInt(1, limit);
                expect("rows of " + limit, limit, list(statement.executeQuery()).size());
            }
        }
        connection.commit();
        expect("after the commit", "1", one(connection, "SELECT 1"));
    }

    private static void twoPortals(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        try (Statement one = connection.createStatement(); Statement two = connection.createStatement()) {
            one.setFetchSize(50);
            two.setFetchSize(50);
            try (ResultSet left = one.executeQuery("SELECT x FROM generate_series(1, 1500) AS t(x) ORDER BY x");
                    ResultSet right = two.executeQuery("SELECT -x FROM generate_series(1, 1500) AS t(x) ORDER BY x")) {
                int pairs = 0;
                while (left.next() && right.next() && left.getInt(1) == -right.getInt(1)) {
                    pairs++;
                }
                expect("pairs", 1500, pairs);
            }
        }
    }

    private static void leftEarly(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(50);
            try (ResultSet rows = statement.executeQuery("SELECT * FROM events")) {
                expect("a row", true, rows.next());
            }
            expect("another query", "2", one(connection, "SELECT 2"));
            try (ResultSet rows = statement.executeQuery("SELECT * FROM events")) {
                expect("a row again", true, rows.next());
                connection.rollback();
                // The portal has gone with its transaction; what was fetched with the first row is there.
                int fetched = 1;
                while (fetched < 50 && rows.next()) {
                    fetched++;
                }
                expect("rows fetched", 50, fetched);
                expect("beyond", "34000", state(rows::next));
            }
            connection.rollback();
        }
        expect("after it", "1", one(connection, "SELECT 1"));
    }

    private static void maxRows(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.setMaxRows(10);
            expect("rows", 10, list(statement.executeQuery("SELECT * FROM events")).size());
            expect("fewer rows", 3, list(statement.executeQuery("SELECT x FROM generate_series(1, 3) AS t(x)")).size());
            statement.setMaxRows(0);
            expect("all rows", 100, list(statement.executeQuery("SELECT x FROM generate_series(1, 100) AS t(x)")).size());
        }
    }

    // What a result says about itself.

    private static final List<String> COLUMNS =
            List.of("customer_id", "lifecycle_stage", "orders", "net_revenue", "as_of_at", "tenure_days", "sources");
    private static final List<String> TYPE_NAMES = List.of("text", "text", "int8", "numeric", "timestamptz", "float8", "_text");
    private static final List<Integer> TYPES =
            List.of(Types.VARCHAR, Types.VARCHAR, Types.BIGINT, Types.NUMERIC, Types.TIMESTAMP, Types.DOUBLE, Types.ARRAY);
    private static final List<String> CLASSES = List.of("java.lang.String", "java.lang.String", "java.lang.Long",
            "java.math.BigDecimal", "java.sql.Timestamp", "java.lang.Double", "java.sql.Array");

    private static void resultMetaData(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT " + String.join(", ", COLUMNS) + " FROM customer_360")) {
            expectMetaData(rows.getMetaData());
        }
    }

    private static void describedMetaData(Connection connection) throws Exception {
        String sql = "SELECT " + String.join(", ", COLUMNS) + " FROM customer_360 WHERE customer_id = ?";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            expectMetaData(statement.getMetaData());
        }
    }

    private static void expectMetaData(ResultSetMetaData about) throws Exception {
        List<String> labels = new ArrayList<>();
        List<String> names = new ArrayList<>();
        List<Integer> types = new ArrayList<>();
        List<String> classes = new ArrayList<>();
        for (int column = 1; column <= about.getColumnCount(); column++) {
            labels.add(about.getColumnLabel(column));
            names.add(about.getColumnTypeName(column));
            types.add(about.getColumnType(column));
            classes.add(about.getColumnClassName(column));
        }
        expect("labels", COLUMNS, labels);
        expect("type names", TYPE_NAMES, names);
        expect("types", TYPES, types);
        expect("classes", CLASSES, classes);
        expect("precision of net_revenue", 18, about.getPrecision(4));
        expect("scale of net_revenue", 4, about.getScale(4));
        expect("orders are signed", true, about.isSigned(3));
    }

    private static void aggregateMetaData(Connection connection) throws Exception {
        String sql = """
                SELECT lifecycle_stage AS "Stage", count(*), sum(net_revenue), avg(tenure_days), max(as_of_at),
                       min(as_of_at)::date, sum(orders)::bigint AS "Total Orders", bool_and(orders > 0),
                       1::int AS one, 'x' AS label
                FROM customer_360 GROUP BY 1""";
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            ResultSetMetaData about = rows.getMetaData();
            List<String> columns = new ArrayList<>();
            for (int column = 1; column <= about.getColumnCount(); column++) {
                columns.add(about.getColumnLabel(column) + ":" + about.getColumnTypeName(column));
            }
            expect("columns", List.of("Stage:text", "count:int8", "sum:numeric", "avg:float8", "max:timestamptz", "min:date",
                    "Total Orders:int8", "bool_and:bool", "one:int4", "label:text"), columns);
        }
    }

    // What the catalog says.

    private static void schemas(Connection connection) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        List<String> schemas = column(about.getSchemas(), "TABLE_SCHEM");
        expectAll("schemas", List.of("information_schema", "perennial", "pg_catalog", "public", "raw"), schemas);
        List<String> sorted = new ArrayList<>(schemas);
        sorted.sort(null);
        expect("order", sorted, schemas);
        expect("one schema", List.of("public"), column(about.getSchemas(null, "public"), "TABLE_SCHEM"));
        expectAll("catalogs", List.of("perennial"), column(about.getCatalogs(), "TABLE_CAT"));
        expectAll("table types", List.of("TABLE", "VIEW", "SYSTEM TABLE"), column(about.getTableTypes(), "TABLE_TYPE"));
    }

    private static void tables(Connection connection) throws Exception {
        List<String> names = new ArrayList<>();
        try (ResultSet rows = connection.getMetaData().getTables(null, "public", "%", new String[] {"TABLE", "VIEW"})) {
            while (rows.next()) {
                String name = rows.getString("TABLE_NAME");
                names.add(name);
                if (List.of("customers", "customer_360", "orders").contains(name)) {
                    expect("type of " + name, "TABLE", rows.getString("TABLE_TYPE"));
                    expect("schema of " + name, "public", rows.getString("TABLE_SCHEM"));
                    expectText("remarks of " + name, rows.getString("REMARKS"));
                }
            }
        }
        expectAll("tables", List.of("customers", "customer_360", "orders", "events", "spend"), names);
    }

    private static void tablePatterns(Connection connection) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        expect("escape in a name", "customer\\_360", "customer_360".replace("_", about.getSearchStringEscape() + "_"));
        expect("a table", List.of("customer_360"), column(about.getTables(null, null, "customer\\_360", null), "TABLE_NAME"));
        expect("a pattern", List.of("customer_360"),
                column(about.getTables("perennial", "pub%", "cust%\\_360", null), "TABLE_NAME"));
        expect("none", List.of(), column(about.getTables(null, "public", "no such table", null), "TABLE_NAME"));
        expectAll("system tables", List.of("pg_class", "pg_type"),
                column(about.getTables(null, "pg_catalog", "%", new String[] {"SYSTEM TABLE"}), "TABLE_NAME"));
        expectAll("system views", List.of("columns", "tables"),
                column(about.getTables(null, "information_schema", "%", new String[] {"SYSTEM VIEW"}), "TABLE_NAME"));
        List<String> plain = column(about.getTables(null, "%", "%", new String[] {"TABLE"}), "TABLE_SCHEM");
        expect("system schemas among tables", false, plain.contains("pg_catalog") || plain.contains("information_schema"));
    }

    private static void columns(Connection connection) throws Exception {
        List<String> names = new ArrayList<>();
        List<String> types = new ArrayList<>();
        try (ResultSet rows = connection.getMetaData().getColumns(null, "public", "customer\\_360", "%")) {
            while (rows.next()) {
                String name = rows.getString("COLUMN_NAME");
                names.add(name);
                types.add(rows.getString("TYPE_NAME"));
                expect("position of " + name, names.size(), rows.getInt("ORDINAL_POSITION"));
                expectText("remarks of " + name, rows.getString("REMARKS"));
                int known = COLUMNS.indexOf(name);
                if (known >= 0) {
                    expect("type name of " + name, TYPE_NAMES.get(known), rows.getString("TYPE_NAME"));
                    expect("type of " + name, TYPES.get(known), rows.getInt("DATA_TYPE"));
                    boolean nullable = name.equals("net_revenue");
                    expect("nullability of " + name, nullable ? "YES" : "NO", rows.getString("IS_NULLABLE"));
                    expect("nullability number of " + name,
                            nullable ? DatabaseMetaData.columnNullable : DatabaseMetaData.columnNoNulls, rows.getInt("NULLABLE"));
                    expect("default of " + name, null, rows.getString("COLUMN_DEF"));
                    expect("identity of " + name, "NO", rows.getString("IS_AUTOINCREMENT"));
                }
                if (name.equals("net_revenue")) {
                    expect("precision", 18, rows.getInt("COLUMN_SIZE"));
                    expect("scale", 4, rows.getInt("DECIMAL_DIGITS"));
                }
            }
        }
        expectAll("columns", COLUMNS, names);
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT * FROM customer_360 LIMIT 0")) {
            List<String> served = new ArrayList<>();
            List<String> servedTypes = new ArrayList<>();
            for (int column = 1; column <= rows.getMetaData().getColumnCount(); column++) {
                served.add(rows.getMetaData().getColumnName(column));
                servedTypes.add(rows.getMetaData().getColumnTypeName(column));
            }
            expect("columns of SELECT *", names, served);
            expect("types of SELECT *", types, servedTypes);
        }
        expect("one column", List.of("net_revenue"),
                column(connection.getMetaData().getColumns(null, "public", "customer\\_360", "net%"), "COLUMN_NAME"));
    }

    private static void allColumns(Connection connection) throws Exception {
        List<String> all = new ArrayList<>();
        try (ResultSet rows = connection.getMetaData().getColumns(null, "%", "%", "%")) {
            while (rows.next()) {
                all.add(rows.getString("TABLE_SCHEM") + "." + rows.getString("TABLE_NAME") + "." + rows.getString("COLUMN_NAME"));
            }
        }
        expectAll("columns", List.of("public.customers.customer_id", "public.orders.amount", "public.spend.date",
                "pg_catalog.pg_class.relname", "information_schema.columns.column_name"), all);
        expect("columns of everything",
                one(connection, "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
                        + "WHERE c.relkind IN ('r', 'p', 'v', 'f', 'm') AND a.attnum > 0 AND NOT a.attisdropped"),
                Integer.toString(all.size()));
    }

    private static final String REFERENCE = "%s.%s.%s <- %s.%s.%s %s %s %s";
    private static final String[] REFERENCE_COLUMNS = {"PKTABLE_SCHEM", "PKTABLE_NAME", "PKCOLUMN_NAME", "FKTABLE_SCHEM",
        "FKTABLE_NAME", "FKCOLUMN_NAME", "KEY_SEQ", "FK_NAME", "PK_NAME"};
    private static final String ORDERS_TO_CUSTOMERS =
            "public.customers.customer_id <- public.orders.customer_id 1 orders_customer_id_fkey customers_pkey";

    private static void primaryKeys(Connection connection) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        expect("key of customer_360", List.of("customer_id 1 customer_360_pkey"),
                rows(about.getPrimaryKeys(null, "public", "customer_360"), "%s %s %s", "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
        expect("key of two columns", List.of("segment 1 segment_members_pkey", "customer_id 2 segment_members_pkey"),
                rows(about.getPrimaryKeys(null, "public", "segment_members"), "%s %s %s", "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
        expect("no key", List.of(), column(about.getPrimaryKeys(null, "public", "order_items"), "COLUMN_NAME"));
    }

    private static void indexInfo(Connection connection) throws Exception {
        expect("index of segment_members", List.of("f segment_members_pkey 3 1 segment A", "f segment_members_pkey 3 2 customer_id A"),
                rows(connection.getMetaData().getIndexInfo(null, "public", "segment_members", true, false), "%s %s %s %s %s %s",
                        "NON_UNIQUE", "INDEX_NAME", "TYPE", "ORDINAL_POSITION", "COLUMN_NAME", "ASC_OR_DESC"));
    }

    private static void bestRow(Connection connection) throws Exception {
        expect("best row", List.of("customer_id text " + Types.VARCHAR),
                rows(connection.getMetaData().getBestRowIdentifier(null, "public", "customer_360", DatabaseMetaData.bestRowSession, false),
                        "%s %s %s", "COLUMN_NAME", "TYPE_NAME", "DATA_TYPE"));
    }

    private static void keywords(Connection connection) throws Exception {
        List<String> words = List.of(connection.getMetaData().getSQLKeywords().split(","));
        // Those that SQL:2003 has are left out; the others of PostgreSQL 15 take 1,430 characters.
        expect("length", 1430, String.join(",", words).length());
        expectAll("keywords", List.of("abort", "ilike", "limit", "returning", "vacuum"), words);
    }

    private static void importedKeys(Connection connection) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        expect("keys of orders", List.of(ORDERS_TO_CUSTOMERS),
                rows(about.getImportedKeys(null, "public", "orders"), REFERENCE, REFERENCE_COLUMNS));
        ResultSet between = about.getCrossReference(null, "public", "customers", null, "public", "orders");
        expect("keys between the two", List.of(ORDERS_TO_CUSTOMERS), rows(between, REFERENCE, REFERENCE_COLUMNS));
        expect("keys of customers", List.of(),
                rows(about.getImportedKeys(null, "public", "customers"), REFERENCE, REFERENCE_COLUMNS));
    }

    private static void exportedKeys(Connection connection) throws Exception {
        expectAll("references to customers", List.of(ORDERS_TO_CUSTOMERS),
                rows(connection.getMetaData().getExportedKeys(null, "public", "customers"), REFERENCE, REFERENCE_COLUMNS));
    }

    private static void typeInfo(Connection connection) throws Exception {
        List<String> types = rows(connection.getMetaData().getTypeInfo(), "%s %s", "TYPE_NAME", "DATA_TYPE");
        expectAll("types", List.of("bool " + Types.BIT, "int2 " + Types.SMALLINT, "int4 " + Types.INTEGER, "int8 " + Types.BIGINT,
                "float4 " + Types.REAL, "float8 " + Types.DOUBLE, "numeric " + Types.NUMERIC, "text " + Types.VARCHAR,
                "varchar " + Types.VARCHAR, "bpchar " + Types.CHAR, "date " + Types.DATE, "time " + Types.TIME,
                "timestamp " + Types.TIMESTAMP, "timestamptz " + Types.TIMESTAMP, "bytea " + Types.BINARY, "_text " + Types.ARRAY,
                "_int8 " + Types.ARRAY, "jsonb " + Types.OTHER, "uuid " + Types.OTHER), types);
    }

    private static void functions(Connection connection) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        try (ResultSet rows = about.getFunctions(null, "public", "normalise\\_email")) {
            expect("normalise_email", true, rows.next());
            expect("catalog", "perennial", rows.getString("FUNCTION_CAT"));
            expect("schema", "public", rows.getString("FUNCTION_SCHEM"));
            expect("kind", DatabaseMetaData.functionNoTable, rows.getInt("FUNCTION_TYPE"));
            expectText("remarks", rows.getString("REMARKS"));
        }
        expectAll("functions of the system", List.of("lower", "date_trunc", "current_setting"),
                column(about.getFunctions(null, "pg_catalog", "%"), "FUNCTION_NAME"));
    }

    private static void functionColumns(Connection connection) throws Exception {
        ResultSet columns = connection.getMetaData().getFunctionColumns(null, "public", "normalise\\_email", "%");
        List<String> kinds = column(columns, "COLUMN_TYPE");
        expectAll("columns", List.of(Integer.toString(DatabaseMetaData.functionReturn),
                Integer.toString(DatabaseMetaData.functionColumnIn)), kinds);
    }

    private static void procedures(Connection connection) throws Exception {
        expect("procedures", List.of(), column(connection.getMetaData().getProcedures(null, "public", "%"), "PROCEDURE_NAME"));
    }

    private static void tablePrivileges(Connection connection) throws Exception {
        expectAll("privileges", List.of("SELECT"),
                column(connection.getMetaData().getTablePrivileges(null, "public", "customers"), "PRIVILEGE"));
    }

    private static void limits(Connection connection) throws Exception {
        DatabaseMetaData about = connection.getMetaData();
        expect("bytes of a name", 63, about.getMaxColumnNameLength());
        expect("columns of an index", 32, about.getMaxColumnsInIndex());
        expect("quote", "\"", about.getIdentifierQuoteString());
        expect("folding", true, about.storesLowerCaseIdentifiers());
        // The names of types that are asked for one by one.
        for (String type : List.of("text", "_text", "int8", "timestamptz", "customers")) {
            expect("type " + type, type, one(connection, "SELECT typname FROM pg_type WHERE oid = '" + type + "'::regtype"));
        }
    }

    // Errors and transactions.

    private static void errors(Connection connection) throws Exception {
        expectState(connection, "42P01", "SELECT * FROM no_such_table");
        expectState(connection, "42P01", "SELECT * FROM no_such_schema.customers");
        expectState(connection, "42703", "SELECT no_such_column FROM customer_360");
        expectState(connection, "42703", "SELECT customer_id FROM customer_360 ORDER BY no_such_column");
        expectState(connection, "42883", "SELECT no_such_function(1)");
        expectState(connection, "42601", "SELEC 1");
        expectState(connection, "42601", "SELECT * FROM customers WHERE");
        expectState(connection, "42803", "SELECT customer_id, count(*) FROM orders");
        expectState(connection, "22012", "SELECT 1 / 0");
        expectState(connection, "22P02", "SELECT 'abc'::int");
        expectState(connection, "22003", "SELECT 99999999999::int");
        try (PreparedStatement statement = connection.prepareStatement("SELECT 1 / ?::int")) {
            statement.unwrap(PGStatement.class).setPrepareThreshold(1);
            for (int time = 0; time < 3; time++) {
                statement.setInt(1, 0);
                expect("division by a parameter", "22012", state(statement::executeQuery));
                statement.setInt(1, 1);
                expect("division by one", List.of("1"), list(statement.executeQuery()));
            }
        }
        expect("after them", "1", one(connection, "SELECT 1"));
    }

    private static void positions(Connection connection) throws Exception {
        expectPosition(connection, "relation \"no_such_table\" does not exist", 15, "SELECT * FROM no_such_table");
        expectPosition(connection, "column \"no_such_column\" does not exist", 8, "SELECT no_such_column FROM customer_360");
        expectPosition(connection, "syntax error at or near \"SELEC\"", 1, "SELEC 1");
    }

    private static void expectPosition(Connection connection, String message, int position, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
            expect(sql, message, "no error");
        } catch (PSQLException error) {
            expect("message of " + sql, message, error.getServerErrorMessage().getMessage());
            expect("severity of " + sql, "ERROR", error.getServerErrorMessage().getSeverity());
            expect("position in " + sql, position, error.getServerErrorMessage().getPosition());
        }
    }

    private static void errorAmongRows(Connection connection) throws Exception {
        String sql = "SELECT 100 / (5000 - x) FROM generate_series(1, 10000) AS t(x)";
        expectState(connection, "22012", sql);
        expect("after it", "1", one(connection, "SELECT 1"));
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(50);
            expect("in portions", "22012", state(() -> list(statement.executeQuery(sql))));
        }
        connection.rollback();
        expect("after the other", "1", one(connection, "SELECT 1"));
    }

    private static void unknownDatabase(Connection unused) throws Exception {
        expect("another database", "3D000", state(() -> {
            String other = url.replace("/perennial", "/no_such_database");
            DriverManager.getConnection(other).close();
        }));
    }

    private static void readOnly(Connection connection) throws Exception {
        connection.setReadOnly(true);
        connection.setAutoCommit(false);
        expect("in a transaction", "on", one(connection, "SHOW transaction_read_only"));
        expectState(connection, "25006", "CREATE TABLE public.made_by_jdbc (x int)");
        connection.rollback();
        connection.setAutoCommit(true);
        try (Connection other = open(PGProperty.READ_ONLY_MODE, "always")) {
            other.setReadOnly(true);
            expectState(other, "25006", "CREATE TABLE public.made_by_jdbc (x int)");
        }
        expect("reading", one(connection, "SELECT count(*) FROM customers"),
                one(connection, "SELECT count(*) FROM customer_360"));
    }

    private static void failedTransaction(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        expect("before", "1", one(connection, "SELECT 1"));
        expectState(connection, "22012", "SELECT 1 / 0");
        expectState(connection, "25P02", "SELECT 1");
        expectState(connection, "25P02", "SELECT * FROM no_such_table");
        connection.rollback();
        expect("after the rollback", "1", one(connection, "SELECT 1"));
        connection.commit();
        connection.setAutoCommit(true);
        expect("after the commit", "1", one(connection, "SELECT 1"));
    }

    private static void savepoint(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        expect("before", "1", one(connection, "SELECT 1"));
        Savepoint savepoint = connection.setSavepoint("here");
        expectState(connection, "22012", "SELECT 1 / 0");
        connection.rollback(savepoint);
        expect("after it", "2", one(connection, "SELECT 2"));
        connection.releaseSavepoint(savepoint);
        connection.commit();
        try (Connection other = open(PGProperty.AUTOSAVE, "always")) {
            other.setAutoCommit(false);
            expect("before an automatic one", "1", one(other, "SELECT 1"));
            expectState(other, "42P01", "SELECT * FROM no_such_table");
            expect("after an automatic one", "1", one(other, "SELECT 1"));
            other.commit();
        }
    }

    private static void cancel(Connection unused) throws Exception {
        try (Relay relay = new Relay();
                Connection connection = DriverManager.getConnection(relay.url(), settings());
                Statement statement = connection.createStatement()) {
            for (int time = 0; time < 2; time++) {
                // The driver sends one request for a statement, and it is lost on a server that does not run it yet.
                FutureTask<Void> request = new FutureTask<>(() -> {
                    relay.awaitAnswer();
                    statement.cancel();
                    return null;
                });
                relay.expectAnswer();
                start(request);
                expect("error", "57014", state(() -> statement.executeQuery(ENDLESS)));
                relay.waitNoLonger();
                request.get();
                expect("the connection after it", "1", one(connection, "SELECT 1"));
                expect("the statement after it", List.of("2"), list(statement.executeQuery("SELECT 2")));
            }
        }
    }

    private static void queryTimeout(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.setQueryTimeout(1);
            expect("error", "57014", state(() -> statement.executeQuery(ENDLESS)));
            expect("a statement in time", List.of("1"), list(statement.executeQuery("SELECT 1")));
        }
        expect("the connection after it", "2", one(connection, "SELECT 2"));
    }

    // The rest.

    private static void copy(Connection connection) throws Exception {
        PGConnection postgres = connection.unwrap(PGConnection.class);
        String query = "COPY (SELECT x AS a, 'x,' || x AS b, NULL::text AS c FROM generate_series(1, 3) AS t(x) ORDER BY x)"
                + " TO STDOUT";
        StringWriter csv = new StringWriter();
        expect("rows", 3L, postgres.getCopyAPI().copyOut(query + " WITH (FORMAT csv, HEADER)", csv));
        expect("CSV", "a,b,c\n1,\"x,1\",\n2,\"x,2\",\n3,\"x,3\",\n", csv.toString());
        StringWriter text = new StringWriter();
        postgres.getCopyAPI().copyOut(query, text);
        expect("text", "1\tx,1\t\\N\n2\tx,2\t\\N\n3\tx,3\t\\N\n", text.toString());
        StringWriter events = new StringWriter();
        long rows = postgres.getCopyAPI().copyOut("COPY (SELECT * FROM events) TO STDOUT", events);
        expect("events", one(connection, "SELECT count(*) FROM events"), Long.toString(rows));
        expect("error", "42P01", state(() -> {
            try {
                postgres.getCopyAPI().copyOut("COPY (SELECT * FROM no_such_table) TO STDOUT", new StringWriter());
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }));
        expect("after it", "1", one(connection, "SELECT 1"));
    }

    private static void severalStatements(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            expect("a first result", true, statement.execute("SELECT 1::int AS a; SELECT 2::int AS b, 'x;y' AS c"));
            ResultSet first = statement.getResultSet();
            expect("its column", "a", first.getMetaData().getColumnLabel(1));
            expect("its row", List.of("1"), list(first));
            expect("a second result", true, statement.getMoreResults());
            ResultSet second = statement.getResultSet();
            expect("its columns", 2, second.getMetaData().getColumnCount());
            expect("its row", List.of("2"), list(second));
            expect("a third result", false, statement.getMoreResults());
            expect("the end", -1, statement.getUpdateCount());

            expect("a setting first", false, statement.execute("SET application_name = 'two'; SHOW application_name"));
            expect("its count", 0, statement.getUpdateCount());
            expect("a query next", true, statement.getMoreResults());
            expect("its answer", List.of("two"), list(statement.getResultSet()));

            expect("an error after a result", "22012", state(() -> statement.execute("SELECT 1; SELECT 1 / 0; SELECT 2")));
            expect("an empty statement", false, statement.execute(""));
            expect("after it", List.of("3"), list(statement.executeQuery("SELECT 3;")));
        }
    }

    private static void batch(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            statement.addBatch("SET application_name = 'batch'");
            statement.addBatch("SET extra_float_digits = 3");
            statement.addBatch("RESET extra_float_digits");
            expect("counts", List.of(0, 0, 0), Arrays.stream(statement.executeBatch()).boxed().toList());
        }
        expect("its effect", "batch", one(connection, "SHOW application_name"));
    }

    // What the checks share.

    /** Runs a check on a connection of its own. */
    private static void check(String name, Check check) {
        wrong.clear();
        try (Connection connection = DriverManager.getConnection(url, settings())) {
            check.run(connection);
        } catch (Exception error) {
            wrong.add("expected no error, got " + told(error));
        }
        if (wrong.isEmpty()) {
            System.out.println("ok " + name);
        } else {
            failures.add("not ok " + name + "\n  " + String.join("\n  ", wrong));
        }
    }

    private static String told(Exception error) {
        String place = Arrays.stream(error.getStackTrace())
                .filter(frame -> frame.getClassName().startsWith("Basics"))
                .findFirst()
                .map(frame -> " (line " + frame.getLineNumber() + ")")
                .orElse("");
        return error instanceof SQLException sql ? sql.getSQLState() + " " + sql.getMessage() + place : error + place;
    }

    /** A server that does not stop a statement is a failure too, not a test without an end. */
    private static Properties settings() {
        Properties settings = new Properties();
        PGProperty.SOCKET_TIMEOUT.set(settings, 120);
        return settings;
    }

    /** A connection with more settings, names and values in turn. */
    private static Connection open(Object... more) throws SQLException {
        Properties settings = settings();
        for (int index = 0; index < more.length; index += 2) {
            ((PGProperty) more[index]).set(settings, (String) more[index + 1]);
        }
        return DriverManager.getConnection(url, settings);
    }

    private static void expect(String what, Object expected, Object got) {
        if (!Objects.equals(expected, got)) {
            wrong.add(what + ": expected " + expected + ", got " + got);
        }
    }

    private static void expectAll(String what, List<String> expected, List<String> got) {
        if (!got.containsAll(expected)) {
            List<String> absent = new ArrayList<>(expected);
            absent.removeAll(got);
            wrong.add(what + ": expected " + expected + " among them, got none of " + absent + " in " + shortened(got));
        }
    }

    private static String shortened(List<String> list) {
        return list.size() <= 20 ? list.toString() : list.subList(0, 20) + " and " + (list.size() - 20) + " more";
    }

    private static void expectText(String what, String got) {
        if (got == null || got.isBlank()) {
            wrong.add(what + ": expected a text, got " + got);
        }
    }

    private static void expectState(Connection connection, String expected, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            expect(sql, expected, state(() -> statement.execute(sql)));
        }
    }

    private static void expectAnswer(Connection connection, String expected, String sql) {
        try {
            expect(sql, expected, one(connection, sql));
        } catch (SQLException error) {
            expect(sql, expected, told(error));
        }
    }

    /** The SQLSTATE that an action ends with. */
    private static String state(Action action) {
        try {
            action.run();
            return "no error";
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }

    /** The one value of a query, as text. */
    private static String one(Connection connection, String sql) throws SQLException {
        List<String> values = list(connection, sql);
        expect("rows of " + sql, 1, values.size());
        return values.get(0);
    }

    private static List<String> list(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return list(statement.executeQuery(sql));
        }
    }

    /** The first column of a result. */
    private static List<String> list(ResultSet rows) throws SQLException {
        List<String> values = new ArrayList<>();
        try (rows) {
            while (rows.next()) {
                values.add(rows.getString(1));
            }
        }
        return values;
    }

    /** One column of a result. */
    private static List<String> column(ResultSet rows, String column) throws SQLException {
        return rows(rows, "%s", column);
    }

    /** Columns of a result, a text for each row. */
    private static List<String> rows(ResultSet rows, String format, String... columns) throws SQLException {
        List<String> all = new ArrayList<>();
        try (rows) {
            while (rows.next()) {
                Object[] values = new Object[columns.length];
                for (int index = 0; index < columns.length; index++) {
                    values[index] = rows.getString(columns[index]);
                }
                all.add(format.formatted(values));
            }
        }
        return all;
    }

    private static List<?> items(Array array) throws SQLException {
        return Arrays.asList((Object[]) array.getArray());
    }

    private static List<Byte> bytes(byte[] bytes) {
        List<Byte> list = new ArrayList<>();
        for (byte one : bytes) {
            list.add(one);
        }
        return list;
    }

    /** The moment of a timestamptz as text. */
    private static Instant instant(String text) {
        return OffsetDateTime.parse(text.replace(' ', 'T') + ":00").toInstant();
    }

    private static void start(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }

    /** Stands between the driver and the server, and knows when the server begins to answer. */
    private static final class Relay implements AutoCloseable {
        private final ServerSocket door = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
        private volatile CountDownLatch answer = new CountDownLatch(1);

        Relay() throws IOException, SQLException {
            Properties server = Driver.parseURL(url, null);
            String host = PGProperty.PG_HOST.getOrDefault(server);
            int port = PGProperty.PG_PORT.getInt(server);
            start(() -> {
                try {
                    while (true) {
                        Socket client = door.accept();
                        Socket behind = new Socket(host, port);
                        start(() -> copy(client, behind, false));
                        start(() -> copy(behind, client, true));
                    }
                } catch (IOException closed) {
                    // The check has ended.
                }
            });
        }

        String url() {
            return url.replaceFirst("//[^/]*/", "//127.0.0.1:" + door.getLocalPort() + "/");
        }

        /** From now on, the next answer counts. */
        void expectAnswer() {
            answer = new CountDownLatch(1);
        }

        void awaitAnswer() throws InterruptedException {
            answer.await();
        }

        void waitNoLonger() {
            answer.countDown();
        }

        private void copy(Socket from, Socket to, boolean answers) {
            try (from; to) {
                InputStream input = from.getInputStream();
                OutputStream output = to.getOutputStream();
                byte[] buffer = new byte[1 << 16];
                for (int length = input.read(buffer); length >= 0; length = input.read(buffer)) {
                    // Before the driver reads it: what belongs to the statement before is not taken for an answer.
                    if (answers) {
                        answer.countDown();
                    }
                    output.write(buffer, 0, length);
                }
            } catch (IOException closed) {
                // Either side has left.
            }
        }

        @Override
        public void close() throws IOException {
            door.close();
        }
    }
}
