import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Properties;

/** The server under test, as the variables of the environment name it. */
final class Server {
    private Server() {
    }

    interface Use {
        Object of(Connection connection) throws Exception;
    }

    /** A connection to the database, with properties of the driver, each as `name=value`. */
    static Connection connect(String... options) throws SQLException {
        return connectTo(System.getenv("PGDATABASE"), options);
    }

    static Connection connectTo(String database, String... options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        // A server that does not stop a statement fails a check, and does not hold all of them up.
        properties.setProperty("socketTimeout", "60");
        for (String option : options) {
            properties.setProperty(option.substring(0, option.indexOf('=')), option.substring(option.indexOf('=') + 1));
        }
        String address = System.getenv("PGHOST") + ":" + System.getenv("PGPORT");
        return DriverManager.getConnection("jdbc:postgresql://" + address + "/" + database, properties);
    }

    /** What is done with a connection of its own, which is closed. */
    static Object with(Use use, String... options) throws Exception {
        try (Connection connection = connect(options)) {
            return use.of(connection);
        }
    }

    static List<List<Object>> ask(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return Transcript.rows(statement.executeQuery(query));
        }
    }

    /** The one value of a query. */
    static Object one(Connection connection, String query) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(query)) {
            rows.next();
            return rows.getObject(1);
        }
    }

    /** How many rows a statement changes, none when it is no query. */
    static int execute(Connection connection, String... statements) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            for (String query : statements) {
                statement.execute(query);
            }
            return statement.getUpdateCount();
        }
    }
}
