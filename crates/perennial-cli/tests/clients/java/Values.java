import java.io.ByteArrayInputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.Connection;
import java.sql.Date;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.util.ArrayList;
import java.util.Calendar;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;
import java.util.UUID;
import org.postgresql.util.PGInterval;
import org.postgresql.util.PGobject;

/** Values on their way to the server and back, in every way that the driver has. */
final class Values {
    private static final Calendar TOKYO = Calendar.getInstance(TimeZone.getTimeZone("Asia/Tokyo"));
    private static final LocalDateTime LOCAL = LocalDateTime.parse("2026-01-02T03:04:05.678901");
    private static final OffsetDateTime MOMENT = OffsetDateTime.parse("2026-07-02T03:04:05.678901Z");

    /** A connection for each way. */
    private final Map<String, Connection> ways = new LinkedHashMap<>();

    private interface Given {
        void to(PreparedStatement statement, int place) throws Exception;
    }

    private interface Read {
        Object of(ResultSet rows) throws Exception;
    }

    Values() throws SQLException {
        ways.put("simple", Server.connect("preferQueryMode=simple"));
        ways.put("text", Server.connect("prepareThreshold=0", "binaryTransfer=false"));
        ways.put("binary", Server.connect("prepareThreshold=-1"));
        ways.put("named", Server.connect("prepareThreshold=1"));
    }

    void exercise() throws SQLException {
        values();
        getters();
        parameters();
        untyped();
        filters();
        arrays();
        for (Connection connection : ways.values()) {
            connection.close();
        }
    }

    /** Tells what comes of a query in each way, once where it is the same in several. */
    private void everyWay(String name, String query, Given given, Read read) {
        inWays(ways.keySet(), name, query, given, read);
    }

    /** In the simple query mode, the driver has no parameters of arrays and bytes. */
    private void extended(String name, String query, Given given, Read read) {
        inWays(List.of("text", "binary", "named"), name, query, given, read);
    }

    private void inWays(Iterable<String> names, String name, String query, Given given, Read read) {
        Transcript.check(name, () -> {
            Map<String, List<String>> told = new LinkedHashMap<>();
            for (String way : names) {
                String answer;
                try (PreparedStatement statement = ways.get(way).prepareStatement(query)) {
                    given.to(statement, 1);
                    if (way.equals("named")) {
                        // It is described by the first time, and read in binary from the second on.
                        statement.executeQuery().close();
                    }
                    try (ResultSet rows = statement.executeQuery()) {
                        rows.next();
                        answer = Transcript.text(read.of(rows));
                    }
                } catch (SQLException error) {
                    answer = Transcript.brief(error);
                }
                told.computeIfAbsent(answer, unseen -> new ArrayList<>()).add(way);
            }
            return told.entrySet().stream().map(entry -> entry.getValue() + " " + entry.getKey()).toList();
        });
    }

    private static Given nothing() {
        return (statement, place) -> { };
    }

    /** All of a row, as objects. */
    private static Object row(ResultSet rows) throws SQLException {
        List<Object> row = new ArrayList<>();
        for (int column = 1; column <= rows.getMetaData().getColumnCount(); column++) {
            row.add(rows.getObject(column));
        }
        return row;
    }

    private void values() {
        Transcript.part("values in text and in binary");
        for (String value : """
                true; NULL::bool; 7::smallint; -8::int; 7; NULL::int; -8000000000::bigint; 0.1::real; 'NaN'::real; 0.1::float8; 1e300::float8
                '-Infinity'::float8; 'NaN'::float8; 12.3400::numeric; 12345678901234567890.123::numeric; -0.05::numeric(10,3); 'NaN'::numeric
                'a''b€😀'::text; ''::text; NULL::text; 'literal'; 'x'::varchar; 'x'::varchar(9); 'x'::char(3); 'x'::name; 'x'::"char"
                '\\x0041ff'::bytea; ''::bytea; '2026-03-29'::date; '1899-12-31'::date; 'infinity'::date; '0044-03-15 BC'::date
                '23:59:59.5'::time; '24:00'::time; '03:04+02'::timetz; '2026-03-29 02:30:00.123456'::timestamp; '1900-01-01 00:00+00'::timestamptz
                '2026-07-02 03:04:05.678901+00'::timestamptz; '-infinity'::timestamptz; 'infinity'::timestamp
                '1 mon 2 days 03:04:05.5'::interval; '-1 year'::interval; '{"a":[1,null]}'::json; '{"b":1,"a":2}'::jsonb
                '00000000-0000-0000-0000-000000000007'::uuid; 26::oid; 'orders'::regclass; 'int8'::regtype; '10.0.0.1'::inet; 1.5::money; B'101'
                '(1,2)'::point; '[1,5)'::int4range; ROW(1,'a',NULL); pg_sleep(0); '{1,NULL,3}'::int[]; '{{1,2},{3,4}}'::int[]; '{}'::int[]
                '{1,2}'::bigint[]; '{1,2}'::smallint[]; '{x,"y z","\\"",NULL}'::text[]; '{1.50,NULL}'::numeric[]; '{0.1,NaN}'::float8[]
                '{0.5}'::real[]; '{t,f,NULL}'::bool[]; '{2026-03-29}'::date[]; '{03:04:05}'::time[]; '{2026-03-29 02:30}'::timestamp[]
                '{2026-07-02 03:04:05+00}'::timestamptz[]; '{00000000-0000-0000-0000-000000000007}'::uuid[]; '{"\\\\x41"}'::bytea[]
                '{a}'::varchar[]; '{a}'::name[]; '{1,2}'::oid[]; '{"{}"}'::jsonb[]; NULL::int[]""".split("; |\n")) {
            everyWay("value " + value, "SELECT " + value, nothing(), rows -> {
                Object object = rows.getObject(1);
                Object[] told = {rows.getMetaData().getColumnTypeName(1), object, object instanceof byte[] ? null : rows.getString(1)};
                return told;
            });
        }
        everyWay("a zone in the text of a type without", "SELECT '2026-01-02 03:04:05.678901+01'::timestamp::text, '2026-03-29 +01'::date::text, "
                + "'2026-01-02 03:04:05+01'::timestamptz::text, '2026-03-29 +01'::timestamptz::text", nothing(), Values::row);
        for (String escape : """
                {d '2026-01-02'}; {ts '2026-01-02 03:04:05'}; {t '03:04:05'}; {fn ucase('abc')}; {fn concat('a', 'b')}; {fn left('abc', 2)}
                {fn year(date '2026-01-02')}; {fn dayofweek(date '2026-01-02')}; {fn monthname(date '2026-01-02')}; {fn quarter(date '2026-01-02')}
                {fn timestampadd(SQL_TSI_DAY, 3, {ts '2026-01-02 03:04:05'})}; {fn timestampdiff(SQL_TSI_DAY, date '2026-01-02', date '2026-02-01')}
                {fn ifnull(NULL, 'x')}; {fn length('abc ')}; {fn substring('abcdef', 2, 3)}; {fn locate('b', 'abc')}; {fn locate('b', 'abcb', 3)}
                {fn insert('abcdef', 2, 3, 'x')}; {fn repeat('ab', 2)}; {fn space(2)}; {fn char(65)}; {fn round(1.5)}; {fn mod(7, 3)}; {fn log(1)}
                {fn power(2, 3)}; {fn truncate(1.29, 1)}; {fn user()}; {fn database()}; 'a%b' LIKE 'a|%b' {escape '|'}
                (SELECT count(*) > 0 FROM {oj orders o LEFT OUTER JOIN customers c ON o.customer_id = c.customer_id})""".split("; |\n")) {
            everyWay("escape " + escape, "SELECT " + escape, nothing(), Values::row);
        }
    }

    private void getters() {
        Transcript.part("getters of results");
        String numbers = "SELECT 7::int AS i, (-8000000000)::bigint AS l, 3::smallint, 12.5::numeric(18,4) AS n, 0.25::float8 AS f, 0.25::real, '42'::text AS t";
        everyWay("numbers", numbers, nothing(), rows -> {
            List<Object> told = new ArrayList<>();
            for (int column = 1; column <= 7; column++) {
                told.add(List.of(rows.getLong(column), rows.getDouble(column), rows.getFloat(column), rows.getBigDecimal(column)));
            }
            told.add(List.of(rows.getInt(1), rows.getShort(3), rows.getByte(3), rows.getInt(7)));
            return told;
        });
        everyWay("classes of numbers", numbers, nothing(), rows ->
                List.of(rows.getObject("i", Integer.class), rows.getObject("l", Long.class), rows.getObject("n", BigDecimal.class),
                        rows.getObject("t", String.class), rows.getObject("f", Double.class), rows.getObject("l", BigInteger.class)));
        everyWay("nothing", "SELECT NULL::int, NULL::text, NULL::timestamptz, NULL::numeric, NULL::bool, NULL::int[]", nothing(), rows -> {
            Object[] told = {rows.getInt(1), rows.wasNull(), rows.getBoolean(5), rows.getObject(1), rows.getString(2), rows.getTimestamp(3),
                rows.getBigDecimal(4), rows.getArray(6)};
            return told;
        });
        String times = "SELECT timestamp '2026-01-02 03:04:05.678901', timestamptz '2026-07-02 03:04:05.678901+00', date '2026-03-29', time '03:04:05.5'";
        everyWay("times", times, nothing(), rows ->
                List.of(rows.getTimestamp(1), rows.getTimestamp(2), rows.getTimestamp(1, TOKYO), rows.getTimestamp(2, TOKYO), rows.getDate(1),
                        rows.getDate(2), rows.getDate(3), rows.getTimestamp(3), rows.getTime(4), rows.getTime(1)));
        everyWay("classes of java.time", times, nothing(), rows ->
                List.of(rows.getObject(1, LocalDateTime.class), rows.getObject(2, OffsetDateTime.class), rows.getObject(3, LocalDate.class),
                        rows.getObject(4, LocalTime.class), rows.getObject(1, LocalDate.class)));
        everyWay("streams", "SELECT 'a€'::text, '\\x0041ff'::bytea", nothing(), rows ->
                List.of(new String(rows.getBinaryStream(2).readAllBytes(), StandardCharsets.ISO_8859_1), rows.getCharacterStream(1).read(), rows.getBytes(2)));
    }

    /** A parameter beside a cast, as what it comes back as and as text. */
    private void parameter(String name, String type, Given given) {
        everyWay("parameter " + name + ", " + type, asked(type), twice(given), Values::row);
    }

    private void extended(String name, String type, Given given) {
        extended("parameter " + name + ", " + type, asked(type), twice(given), Values::row);
    }

    private static String asked(String type) {
        return "SELECT ?::" + type + ", ?::" + type + "::text";
    }

    private static Given twice(Given given) {
        return (statement, place) -> {
            given.to(statement, 1);
            given.to(statement, 2);
        };
    }

    private void parameters() throws SQLException {
        Transcript.part("parameters of every class");
        parameter("setBoolean", "bool", (statement, place) -> statement.setBoolean(place, true));
        parameter("setByte", "smallint", (statement, place) -> statement.setByte(place, (byte) 7));
        parameter("setShort", "smallint", (statement, place) -> statement.setShort(place, (short) -7));
        for (String type : List.of("int", "bigint", "numeric", "float8", "text")) {
            parameter("setInt", type, (statement, place) -> statement.setInt(place, 7));
            parameter("setLong", type, (statement, place) -> statement.setLong(place, 8));
            parameter("setDouble", type, (statement, place) -> statement.setDouble(place, 9.5));
            parameter("setBigDecimal", type, (statement, place) -> statement.setBigDecimal(place, new BigDecimal("9.50")));
            parameter("setString", type, (statement, place) -> statement.setString(place, "42"));
            parameter("Types.NUMERIC", type, (statement, place) -> statement.setObject(place, "1.255", Types.NUMERIC, 2));
        }
        parameter("large setBigDecimal", "numeric", (statement, place) -> statement.setBigDecimal(place, new BigDecimal("12345678901234567890.1230")));
        parameter("large setLong", "int", (statement, place) -> statement.setLong(place, 8_000_000_000L));
        parameter("setFloat", "real", (statement, place) -> statement.setFloat(place, 0.1f));
        parameter("BigInteger", "numeric", (statement, place) -> statement.setObject(place, new BigInteger("12345678901234567890")));
        parameter("setString of letters", "text", (statement, place) -> statement.setString(place, "a'b\\ € 😀 ?"));
        parameter("setString", "varchar(3)", (statement, place) -> statement.setString(place, "abcdef"));
        parameter("Character", "text", (statement, place) -> statement.setObject(place, 'x'));
        parameter("setCharacterStream", "text", (statement, place) -> statement.setCharacterStream(place, new StringReader("a€"), 2));
        for (String type : List.of("date", "timestamp", "timestamptz")) {
            parameter("setDate", type, (statement, place) -> statement.setDate(place, Date.valueOf("2026-03-29")));
            parameter("setDate in Tokyo", type, (statement, place) -> statement.setDate(place, Date.valueOf("2026-03-29"), TOKYO));
            parameter("setTimestamp", type, (statement, place) -> statement.setTimestamp(place, Timestamp.valueOf(LOCAL)));
            parameter("setTimestamp in Tokyo", type, (statement, place) -> statement.setTimestamp(place, Timestamp.valueOf(LOCAL), TOKYO));
            parameter("LocalDate", type, (statement, place) -> statement.setObject(place, LOCAL.toLocalDate()));
            parameter("LocalDateTime", type, (statement, place) -> statement.setObject(place, LOCAL));
            parameter("OffsetDateTime", type, (statement, place) -> statement.setObject(place, MOMENT));
            parameter("setString", type, (statement, place) -> statement.setString(place, "2026-03-29"));
        }
        parameter("LocalDate.MAX", "date", (statement, place) -> statement.setObject(place, LocalDate.MAX));
        parameter("Types.TIMESTAMP_WITH_TIMEZONE", "timestamptz", (statement, place) -> statement.setObject(place, MOMENT, Types.TIMESTAMP_WITH_TIMEZONE));
        parameter("setTime", "time", (statement, place) -> statement.setTime(place, Time.valueOf("03:04:05")));
        parameter("LocalTime", "time", (statement, place) -> statement.setObject(place, LocalTime.parse("03:04:05.678901")));
        parameter("OffsetTime", "timetz", (statement, place) -> statement.setObject(place, OffsetTime.parse("03:04:05+02:00")));
        parameter("PGInterval", "interval", (statement, place) -> statement.setObject(place, new PGInterval(1, 2, 3, 4, 5, 6.5)));
        parameter("UUID", "uuid", (statement, place) -> statement.setObject(place, new UUID(0, 7)));
        PGobject document = new PGobject();
        document.setType("jsonb");
        document.setValue("{\"a\": [1]}");
        parameter("PGobject", "jsonb", (statement, place) -> statement.setObject(place, document));
        parameter("Types.OTHER", "jsonb", (statement, place) -> statement.setObject(place, "{\"a\": 1}", Types.OTHER));
        extended("setBytes", "bytea", (statement, place) -> statement.setBytes(place, new byte[] {0, 0x41, -1}));
        extended("setBinaryStream", "bytea", (statement, place) -> statement.setBinaryStream(place, new ByteArrayInputStream(new byte[] {0, 1}), 2));
        for (Map.Entry<String, Integer> type : Map.of("int", Types.INTEGER, "text", Types.VARCHAR, "timestamptz", Types.TIMESTAMP, "date", Types.DATE,
                "numeric", Types.NUMERIC, "bool", Types.BOOLEAN, "int[]", Types.ARRAY, "float8", Types.DOUBLE).entrySet()) {
            parameter("setNull", type.getKey(), (statement, place) -> statement.setNull(place, type.getValue()));
            parameter("null", type.getKey(), (statement, place) -> statement.setObject(place, null));
        }
        Connection any = ways.get("text");
        Array texts = any.createArrayOf("text", new String[] {"x", "y z", "\"", null, ""});
        extended("createArrayOf texts", "text[]", (statement, place) -> statement.setArray(place, texts));
        Array numbers = any.createArrayOf("bigint", new Long[] {1L, null, 8_000_000_000L});
        extended("createArrayOf bigint", "bigint[]", (statement, place) -> statement.setArray(place, numbers));
        Array grid = any.createArrayOf("int", new Integer[][] {{1, 2}, {3, 4}});
        extended("createArrayOf arrays", "int[]", (statement, place) -> statement.setArray(place, grid));
        parameter("int[]", "int[]", (statement, place) -> statement.setObject(place, new int[] {1, 2}));
        parameter("double[]", "float8[]", (statement, place) -> statement.setObject(place, new double[] {0.1, Double.NaN}));
        parameter("boolean[]", "bool[]", (statement, place) -> statement.setObject(place, new boolean[] {true, false}));
    }

    /** What a parameter is without a cast. */
    private void untyped() {
        Transcript.part("parameters without a cast");
        for (Object value : new Object[] {7, 8L, (short) 9, 1.5, 0.5f, new BigDecimal("1.50"), "text", true, LOCAL.toLocalDate(), LOCAL, MOMENT, new UUID(0, 7)}) {
            String name = value.getClass().getSimpleName() + " " + value;
            everyWay("alone: " + name, "SELECT ? AS value", (statement, place) -> statement.setObject(place, value), rows ->
                    List.of(rows.getMetaData().getColumnTypeName(1), rows.getObject(1)));
        }
        everyWay("alone: nothing", "SELECT ?, coalesce(?, 'x'), coalesce(?, 7)", (statement, place) -> {
            statement.setObject(1, null);
            statement.setNull(2, Types.VARCHAR);
            statement.setNull(3, Types.NULL);
        }, Values::row);
        everyWay("of no type", "SELECT ? IS NULL", (statement, place) -> statement.setNull(1, Types.NULL), Values::row);
        everyWay("in arithmetic", "SELECT 1 + ?, ? * 2.5, ? || 'x', date '2026-01-01' + ?, ? / 2", (statement, place) -> {
            statement.setInt(1, 2);
            statement.setBigDecimal(2, new BigDecimal("1.5"));
            statement.setString(3, "a");
            statement.setInt(4, 3);
            statement.setLong(5, 7);
        }, Values::row);
        Transcript.check("one after the other", () -> {
            List<Object> told = new ArrayList<>();
            for (Map.Entry<String, Connection> way : ways.entrySet()) {
                try (PreparedStatement statement = way.getValue().prepareStatement("SELECT ? AS value")) {
                    for (Object value : List.of(1, 2, 3_000_000_000L, "text", true, 4, 4.5)) {
                        statement.setObject(1, value);
                        told.addAll(Transcript.rows(statement.executeQuery()));
                    }
                }
            }
            return told;
        });
        Transcript.check("what they are told as", () -> {
            List<Object> told = new ArrayList<>();
            String query = "SELECT order_id FROM orders WHERE amount > ? AND time >= ? AND customer_id = ? AND paid = ? AND order_id = ANY (?) "
                    + "AND ? < channel AND time::date = ? AND amount BETWEEN ? AND 10 LIMIT ?";
            try (PreparedStatement statement = ways.get("binary").prepareStatement(query)) {
                ParameterMetaData about = statement.getParameterMetaData();
                for (int place = 1; place <= about.getParameterCount(); place++) {
                    told.add(List.of(about.getParameterTypeName(place), about.getParameterType(place), about.getParameterClassName(place), about.isSigned(place)));
                }
            }
            return told;
        });
    }

    private void filters() throws SQLException {
        Transcript.part("parameters in queries of reports");
        Object[][] conditions = {
            {"amount > ?", new BigDecimal("10.5")}, {"amount > ?", 10}, {"amount > ?", 10.5}, {"time > ?", Timestamp.from(MOMENT.minusYears(1).toInstant())},
            {"time > ?", MOMENT.minusYears(1)}, {"time >= ?", LOCAL.minusYears(1)}, {"time > ?", Date.valueOf("2025-07-01")}, {"paid = ?", true},
            {"paid IS NOT DISTINCT FROM ?", false}, {"status IN (?, ?)", "paid", "shipped"}, {"order_id LIKE ?", "%1%"}, {"channel ILIKE ? || '%'", "E"},
            {"channel = ANY (?)", ways.get("text").createArrayOf("text", new String[] {"email", "direct"})}, {"channel <> ALL (?)", new String[] {"email"}},
            {"time::date BETWEEN ? AND ?", LocalDate.parse("2025-01-01"), LocalDate.parse("2025-12-31")}, {"date_trunc(?, time) = ?", "month", MOMENT.withDayOfMonth(1)},
            {"time > ?::timestamptz - ?::interval", MOMENT, "300 days"}, {"extract(year FROM time) = ?", 2026}, {"coalesce(campaign, ?) = ?", "none", "none"},
            {"(?::text IS NULL OR status = ?)", null, null}, {"(?::text IS NULL OR status = ?) AND (?::timestamptz IS NULL OR time > ?)", "paid", "paid", null, null},
            {"amount * ? > ?", 2, 40}, {"customer_id IN (SELECT customer_id FROM customer_360 WHERE orders >= ?)", 3}, {"? = channel", "email"},
        };
        for (Object[] condition : conditions) {
            boolean array = condition[0].toString().contains("(?)");
            String name = condition[0] + " of " + (condition[1] == null ? "nothing" : condition[1].getClass().getSimpleName());
            inWays(array ? List.of("text", "binary", "named") : ways.keySet(), name, "SELECT count(*) FROM orders WHERE " + condition[0], (statement, place) -> {
                for (int index = 1; index < condition.length; index++) {
                    statement.setObject(index, condition[index]);
                }
            }, Values::row);
        }
        everyWay("limit and offset", "SELECT order_id FROM orders ORDER BY 1 LIMIT ? OFFSET ?", (statement, place) -> {
            statement.setInt(1, 5);
            statement.setInt(2, 10);
        }, Values::row);
        everyWay("the first of a group", "SELECT date_trunc(?, time), count(*) FROM orders GROUP BY 1 HAVING count(*) > ? ORDER BY 1", (statement, place) -> {
            statement.setString(1, "month");
            statement.setInt(2, 5);
        }, Values::row);
    }

    private void arrays() {
        Transcript.part("arrays");
        for (Map.Entry<String, Connection> way : ways.entrySet()) {
            String name = way.getKey();
            Transcript.check("as a result, " + name, () -> array(way.getValue(), "'{7,NULL,9}'::int[]", array -> array.getResultSet()));
            Transcript.check("a part of it, " + name, () -> array(way.getValue(), "'{a,b,c}'::text[]", array -> array.getArray(2, 2)));
            Transcript.check("its type, " + name, () -> array(way.getValue(), "sources", array -> List.of(array.getBaseTypeName(), array.getBaseType(), array.toString())));
            Transcript.check("collected, " + name, () -> array(way.getValue(), "(SELECT array_agg(amount ORDER BY amount, order_id) FROM orders WHERE amount < 9)", Array::getArray));
        }
    }

    private interface ReadArray {
        Object of(Array array) throws SQLException;
    }

    private static Object array(Connection connection, String value, ReadArray read) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT " + value + " FROM customer_360 ORDER BY customer_id LIMIT 1")) {
            statement.executeQuery().close();
            try (ResultSet rows = statement.executeQuery()) {
                rows.next();
                Object told = read.of(rows.getArray(1));
                return told instanceof ResultSet items ? Transcript.rows(items) : told;
            }
        }
    }
}
