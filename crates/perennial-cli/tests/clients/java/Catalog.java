import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.postgresql.PGResultSetMetaData;

/** What the driver says about results and about the database. */
final class Catalog {
    private static final String[] RELATIONS = {"TABLE", "VIEW"};

    private final Connection connection;
    private final DatabaseMetaData about;

    Catalog(Connection connection) throws SQLException {
        this.connection = connection;
        about = connection.getMetaData();
    }

    void exercise() {
        results();
        schemas();
        columns();
        keys();
        types();
        functions();
        limits();
    }

    private interface Tell {
        Object of(ResultSetMetaData about, int column) throws SQLException;
    }

    private static Object each(ResultSetMetaData about, Tell tell) throws SQLException {
        List<Object> told = new ArrayList<>();
        for (int column = 1; column <= about.getColumnCount(); column++) {
            told.add(tell.of(about, column));
        }
        return told;
    }

    private static Object types(ResultSetMetaData about) throws SQLException {
        return each(about, (told, column) -> List.of(told.getColumnLabel(column), told.getColumnTypeName(column), told.getColumnType(column),
                told.getColumnClassName(column), told.getPrecision(column), told.getScale(column), told.getColumnDisplaySize(column),
                told.isSigned(column), told.isCurrency(column), told.isCaseSensitive(column)));
    }

    private void results() {
        Transcript.part("description of results");
        String of360 = "SELECT customer_id, lifecycle_stage, orders, net_revenue, as_of_at, tenure_days, sources, birth_date FROM customer_360";
        String aggregates = """
                SELECT lifecycle_stage AS "Stage", count(*), sum(net_revenue), avg(tenure_days), max(as_of_at), min(as_of_at)::date,
                       sum(orders)::bigint AS "Total Orders", bool_and(orders > 0), 1::int AS one, 'x' AS label, NULL AS nothing, now() - min(as_of_at) AS age
                FROM customer_360 GROUP BY 1""";
        String expressions = """
                SELECT 1::smallint, 2::int, 3::bigint, 1.5::numeric(10,2), 1.5::numeric, 0.5::real, 0.5::float8, true, 'x'::text, 'x'::varchar(9),
                       'x'::char(3), current_date, now(), '2026-01-01'::timestamp, '03:04'::time, interval '1 day', 'x'::bytea, '{}'::json, '{}'::jsonb,
                       '{1}'::int[], '{x}'::text[], '00000000-0000-0000-0000-000000000007'::uuid, 26::oid, 'x'::name""";
        for (String[] query : new String[][] {{"customer_360", of360}, {"aggregates", aggregates}, {"expressions", expressions}}) {
            Transcript.check("types of " + query[0], () -> {
                try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(query[1] + " LIMIT 1")) {
                    return types(rows.getMetaData());
                }
            });
            Transcript.check("types of " + query[0] + " before they are run", () -> {
                try (PreparedStatement statement = connection.prepareStatement(query[1] + " LIMIT ?")) {
                    return types(statement.getMetaData());
                }
            });
        }
        Transcript.check("tables of columns", () -> {
            try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery("SELECT order_id AS id, amount, 1 AS one FROM orders LIMIT 1")) {
                return each(rows.getMetaData(), (told, column) -> List.of(told.getTableName(column), told.getSchemaName(column), told.getColumnName(column),
                        told.unwrap(PGResultSetMetaData.class).getBaseColumnName(column), told.unwrap(PGResultSetMetaData.class).getBaseTableName(column)));
            }
        });
        Transcript.check("whether they may be nothing", () -> {
            try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery("SELECT order_id, amount, campaign, 1 AS one FROM orders LIMIT 1")) {
                return each(rows.getMetaData(), (told, column) -> List.of(told.isNullable(column), told.isAutoIncrement(column), told.isWritable(column)));
            }
        });
        Transcript.check("places of columns", () -> {
            try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery("SELECT 1 AS a, 2 AS \"B c\", 3 AS a")) {
                return List.of(rows.findColumn("a"), rows.findColumn("b C"), rows.getMetaData().getColumnName(2));
            }
        });
    }

    /** Columns of what the catalog tells, by name; all of them when none are named. */
    private static Object told(ResultSet rows, String... columns) throws SQLException {
        int[] places = new int[columns.length];
        for (int index = 0; index < columns.length; index++) {
            places[index] = rows.findColumn(columns[index]);
        }
        return columns.length == 0 ? Transcript.rows(rows) : Transcript.rows(rows, places);
    }

    /** Those of some names that are there: PostgreSQL has others, too. */
    private static Object among(ResultSet rows, String column, String... names) throws SQLException {
        Set<Object> there = new HashSet<>();
        for (List<Object> row : Transcript.rows(rows, rows.findColumn(column))) {
            there.add(row.get(0));
        }
        return Arrays.stream(names).filter(there::contains).toList();
    }

    private void schemas() {
        Transcript.part("schemas and tables");
        Transcript.check("getCatalogs", () -> among(about.getCatalogs(), "TABLE_CAT", "perennial"));
        Transcript.check("getSchemas", () -> among(about.getSchemas(), "TABLE_SCHEM", "information_schema", "perennial", "pg_catalog", "public", "raw"));
        Transcript.check("getSchemas of a pattern", () -> told(about.getSchemas(null, "p%l%"), "TABLE_SCHEM"));
        Transcript.check("getTableTypes", () -> among(about.getTableTypes(), "TABLE_TYPE", "TABLE", "VIEW", "SYSTEM TABLE", "SYSTEM VIEW", "INDEX"));
        for (String schema : List.of("public", "raw", "perennial")) {
            Transcript.check("getTables of " + schema, () -> told(about.getTables(null, schema, "%", RELATIONS)));
        }
        Transcript.check("getTables of a name", () -> told(about.getTables(null, null, "customer" + about.getSearchStringEscape() + "_360", null)));
        Transcript.check("getTables of patterns", () -> told(about.getTables("perennial", "pub%", "cust%\\_360", null), "TABLE_NAME"));
        Transcript.check("getTables of nothing", () -> told(about.getTables(null, "public", "no such table", null)));
        Transcript.check("getTables of another catalog", () -> told(about.getTables("nothing", "public", "orders", null), "TABLE_NAME"));
        Transcript.check("getTables of the system", () -> among(about.getTables(null, "pg_catalog", "%", new String[] {"SYSTEM TABLE"}), "TABLE_NAME", "pg_class", "pg_type", "pg_roles"));
        Transcript.check("getTables of views of the system", () -> among(about.getTables(null, "pg_catalog", "%", new String[] {"SYSTEM VIEW"}), "TABLE_NAME", "pg_class", "pg_roles", "pg_views"));
        Transcript.check("getTables of the information schema", () -> among(about.getTables(null, "information_schema", "%", new String[] {"SYSTEM VIEW"}), "TABLE_NAME", "columns", "tables", "schemata"));
        Transcript.check("getTables of indexes", () -> told(about.getTables(null, "public", "orders%", new String[] {"INDEX"}), "TABLE_NAME", "TABLE_TYPE"));
        Transcript.check("getTables of every schema", () -> told(about.getTables(null, "%", "c%", RELATIONS), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"));
        Transcript.check("getTablePrivileges", () -> told(about.getTablePrivileges(null, "public", "customers")));
        Transcript.check("getColumnPrivileges", () -> told(about.getColumnPrivileges(null, "public", "customers", "email")));
    }

    private void columns() {
        Transcript.part("columns");
        for (String table : List.of("customer_360", "orders", "segment_members", "cohort_retention_monthly")) {
            Transcript.check("getColumns of " + table, () -> told(about.getColumns(null, "public", table.replace("_", "\\_"), "%"), "TABLE_SCHEM", "TABLE_NAME",
                    "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "DECIMAL_DIGITS", "NUM_PREC_RADIX", "REMARKS", "COLUMN_DEF", "SQL_DATA_TYPE",
                    "CHAR_OCTET_LENGTH", "ORDINAL_POSITION", "IS_AUTOINCREMENT", "IS_GENERATEDCOLUMN"));
            Transcript.check("nullability of " + table, () -> told(about.getColumns(null, "public", table, null), "COLUMN_NAME", "NULLABLE", "IS_NULLABLE"));
        }
        Transcript.check("getColumns of a pattern", () -> told(about.getColumns(null, "public", "customer\\_360", "net%")));
        Transcript.check("getColumns of a schema", () -> told(about.getColumns(null, "raw", "%", "%"), "TABLE_NAME", "COLUMN_NAME", "TYPE_NAME", "COLUMN_SIZE", "NULLABLE"));
        Transcript.check("getColumns of the system", () -> told(about.getColumns(null, "pg_catalog", "pg_namespace", "%"), "COLUMN_NAME", "TYPE_NAME", "ORDINAL_POSITION"));
        Transcript.check("getColumns of everything", () -> Transcript.rows(about.getColumns(null, null, null, null)).size()
                == (Long) Server.one(connection, "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relkind IN ('r', 'p', 'v', 'f', 'm') AND a.attnum > 0 AND NOT a.attisdropped"));
        Transcript.check("columns of SELECT *", () -> {
            try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery("SELECT * FROM customer_360 LIMIT 0")) {
                return each(rows.getMetaData(), (told, column) -> List.of(told.getColumnName(column), told.getColumnTypeName(column)));
            }
        });
    }

    private void keys() {
        Transcript.part("keys and indexes");
        for (String table : List.of("customer_360", "segment_members", "orders", "order_items")) {
            Transcript.check("getPrimaryKeys of " + table, () -> told(about.getPrimaryKeys(null, "public", table)));
            Transcript.check("getIndexInfo of " + table, () -> told(about.getIndexInfo(null, "public", table, true, false), "TABLE_SCHEM", "TABLE_NAME", "NON_UNIQUE",
                    "INDEX_QUALIFIER", "INDEX_NAME", "TYPE", "ORDINAL_POSITION", "COLUMN_NAME", "ASC_OR_DESC", "FILTER_CONDITION"));
            Transcript.check("getBestRowIdentifier of " + table, () -> told(about.getBestRowIdentifier(null, "public", table, DatabaseMetaData.bestRowSession, false)));
            Transcript.check("getImportedKeys of " + table, () -> told(about.getImportedKeys(null, "public", table)));
            Transcript.check("getExportedKeys of " + table, () -> told(about.getExportedKeys(null, "public", table)));
        }
        Transcript.check("getExportedKeys of customers", () -> told(about.getExportedKeys(null, "public", "customers")));
        Transcript.check("getImportedKeys of everything", () -> told(about.getImportedKeys(null, null, null), "FKTABLE_NAME", "FKCOLUMN_NAME", "PKTABLE_NAME"));
        Transcript.check("getCrossReference", () -> told(about.getCrossReference(null, "public", "customers", null, "public", "orders")));
        Transcript.check("getVersionColumns", () -> told(about.getVersionColumns(null, "public", "orders")));
    }

    private void types() {
        Transcript.part("types");
        Transcript.check("getTypeInfo", () -> {
            List<String> ours = List.of("bool", "bytea", "\"char\"", "char", "name", "int8", "int2", "int4", "text", "oid", "json", "jsonb", "float4", "float8", "bpchar", "varchar", "date",
                    "time", "timestamp", "timestamptz", "interval", "numeric", "uuid", "regclass", "_bool", "_int4", "_int8", "_text", "_varchar", "_numeric", "_float8", "_timestamptz", "_date");
            List<List<Object>> rows = Transcript.rows(about.getTypeInfo());
            return rows.stream().filter(row -> ours.contains(row.get(0))).sorted((one, other) -> one.get(0).toString().compareTo(other.get(0).toString())).toList();
        });
        Transcript.check("getUDTs", () -> told(about.getUDTs(null, "public", "nothing", null)));
        Transcript.check("getClientInfoProperties", () -> told(about.getClientInfoProperties()));
        for (String type : List.of("text", "_text", "int8", "timestamptz", "customers", "public.orders", "double precision", "varchar(9)")) {
            Transcript.check("a type by name, " + type, () -> Server.ask(connection, "SELECT typname, typtype, typcategory FROM pg_type WHERE oid = '" + type + "'::regtype"));
        }
    }

    private void functions() {
        Transcript.part("functions and procedures");
        for (String name : List.of("initcap", "left", "version")) {
            Transcript.check("getFunctions, " + name, () -> told(about.getFunctions(null, "pg_catalog", name), "FUNCTION_CAT", "FUNCTION_SCHEM", "FUNCTION_NAME", "REMARKS", "FUNCTION_TYPE"));
            Transcript.check("getFunctionColumns, " + name, () -> told(about.getFunctionColumns(null, "pg_catalog", name, "%"), "FUNCTION_NAME", "COLUMN_NAME", "COLUMN_TYPE", "DATA_TYPE", "TYPE_NAME", "ORDINAL_POSITION"));
        }
        Transcript.check("getFunctions of the system", () -> among(about.getFunctions(null, "pg_catalog", "%"), "FUNCTION_NAME", "lower", "date_trunc", "current_setting"));
        Transcript.check("getProcedures", () -> told(about.getProcedures(null, "public", "%")));
        Transcript.check("getProcedureColumns", () -> told(about.getProcedureColumns(null, "public", "nothing", "%")));
    }

    private void limits() {
        Transcript.part("what the server can do");
        Transcript.check("lengths", () -> List.of(about.getMaxColumnNameLength(), about.getMaxTableNameLength(), about.getMaxColumnsInIndex(), about.getMaxIndexLength(), about.getMaxConnections()));
        Transcript.check("names", () -> List.of(about.getIdentifierQuoteString(), about.storesLowerCaseIdentifiers(), about.getSearchStringEscape(), about.getExtraNameCharacters()));
        Transcript.check("getSQLKeywords", about::getSQLKeywords);
        Transcript.check("transactions", () -> List.of(about.getDefaultTransactionIsolation(), about.supportsTransactions(), about.supportsSavepoints(), about.getResultSetHoldability()));
        Transcript.check("privileges", () -> List.of(about.allTablesAreSelectable(), about.isReadOnly(), about.getDefaultTransactionIsolation()));
        Transcript.check("parameters of a call", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT left(?, ?)")) {
                ParameterMetaData told = statement.getParameterMetaData();
                return List.of(told.getParameterCount(), told.getParameterTypeName(1), told.getParameterTypeName(2));
            }
        });
    }
}
