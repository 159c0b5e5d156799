//! The SQL functions in a plain DataFusion program: no lake, no configuration, no server.

use datafusion::error::Result;
use datafusion::prelude::SessionContext;

/// Each question brings its own rows; yours come from any table that DataFusion reads.
const QUESTIONS: [&str; 4] = [
    // How satisfied are the customers of a country? NULL is no answer.
    "SELECT country, nps(score) AS nps, count(score) AS answers
     FROM (VALUES ('de', 10), ('de', 9), ('de', 7), ('de', 0), ('fr', 8), ('fr', NULL), ('fr', 3)) AS given (country, score)
     GROUP BY country ORDER BY country",
    // Which spellings are one mailbox, and what of it may an analyst see?
    "SELECT spelling, normalise_email(spelling) AS email, mask_email(spelling) AS masked
     FROM (VALUES (1, 'Jane.Doe@Example.COM'), (2, 'mailto:jane.doe@example.com'), (3, 'Jane Doe <jane.doe@example.com>'), (4, 'nobody')) AS contacts (place, spelling)
     ORDER BY place",
    // How far does each visitor get within an hour?
    "SELECT visitor, window_funnel(interval '1 hour', happened_at, event = 'view', event = 'cart', event = 'purchase') AS steps
     FROM (VALUES
         ('ann', timestamp '2026-03-01 09:00:00', 'view'),
         ('ann', timestamp '2026-03-01 09:05:00', 'cart'),
         ('ann', timestamp '2026-03-01 09:20:00', 'purchase'),
         ('ben', timestamp '2026-03-01 10:00:00', 'view'),
         ('ben', timestamp '2026-03-01 12:00:00', 'cart')) AS events (visitor, happened_at, event)
     GROUP BY visitor ORDER BY visitor",
    // Where does each customer stand on the first of April?
    "SELECT customer, lifecycle_stage(orders, last_order_at, timestamp '2026-04-01 00:00:00') AS stage
     FROM (VALUES
         ('ann', 5, timestamp '2026-03-20 00:00:00'),
         ('ben', 2, timestamp '2025-12-20 00:00:00'),
         ('cleo', 0, NULL)) AS customers (customer, orders, last_order_at)
     ORDER BY customer",
];

#[tokio::main]
async fn main() -> Result<()> {
    let context = SessionContext::new();
    for set in [
        perennial_udf_behavior::functions(),
        perennial_udf_identity::functions(),
        perennial_udf_lifecycle::functions(),
        perennial_udf_metrics::functions(),
    ] {
        for function in set.scalar {
            context.register_udf(function.as_ref().clone());
        }
        for function in set.aggregate {
            context.register_udaf(function.as_ref().clone());
        }
        for function in set.window {
            context.register_udwf(function.as_ref().clone());
        }
    }
    for question in QUESTIONS {
        context.sql(question).await?.show().await?;
    }
    Ok(())
}
