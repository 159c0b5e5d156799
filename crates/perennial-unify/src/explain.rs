//! Why a customer is in a lifecycle stage: the rules that were tried, over the facts as they were known at the moment.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use perennial_base::clock::DAY;
use perennial_base::config::Window;
use perennial_base::{Config, ErrorClass, Kind};
use perennial_engine::functions::table::literal;
use perennial_engine::{DATABASE, Engine, Login, Outcome, Session};
use perennial_udf_lifecycle::model::{
    CustomerFacts, Evaluator, ExplainedWindow, Explanation, Kind as FactKind, NamedFact, OrderVersion,
    Refund, Score, Span, StageModel, SubscriptionChange,
};

use crate::error::Result;
use crate::population;
use crate::run::READ_MEMORY;
use crate::stages::subscription_status;
use crate::stored::Tables;

/// Why a customer is in a stage at a moment. Instants are as SQL shows them in UTC.
#[derive(Debug, Clone)]
pub struct LifecycleExplanation {
    /// The current id of the customer.
    pub customer_id: String,
    /// The moment.
    pub at: String,
    /// The model that was asked.
    pub model: StageModel,
    /// The interval of `lifecycle_history` at the moment: stage, entered, left, reason.
    pub interval: [Option<String>; 4],
    /// All intervals: stage, entered, left, reason.
    pub history: Vec<[Option<String>; 4]>,
    /// The rules over the facts as they were known at the moment; instants in microseconds.
    pub rules: Explanation,
}

impl LifecycleExplanation {
    /// The explanation, line by line.
    pub fn lines(&self) -> Vec<String> {
        let told = self;
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let name = |stage: usize| told.model.stage_name(stage).unwrap_or_default().to_owned();
        let [stage, entered, left, reason] = &told.interval;
        let until = match left {
            Some(left) => format!("until {left}"),
            None => "and still is".to_owned(),
        };
        let mut out = vec![
            format!("customer {} at {}", told.customer_id, told.at),
            format!(
                "stage    {} since {} ({}), {until}",
                text(stage),
                text(entered),
                text(reason)
            ),
            String::new(),
            "rules, in the order in which they are tried:".to_owned(),
        ];
        for rule in &told.rules.rules {
            out.push(format!(
                "  {} {}",
                if rule.holds { "✓" } else { "✗" },
                name(rule.stage)
            ));
            for test in &rule.tests {
                let mark = if test.holds { "✓" } else { "✗" };
                let until = test.until.and_then(chrono::DateTime::from_timestamp_micros);
                let until = until.map(|until| {
                    format!(
                        ", until {} if nothing happens",
                        until.format("%Y-%m-%d %H:%M:%S+00")
                    )
                });
                out.push(format!(
                    "      {mark} {}: {}{}",
                    test.condition,
                    test.known,
                    until.unwrap_or_default()
                ));
            }
        }
        out.extend(told.rules.windows.iter().filter_map(|window| told.window(window)));
        if Some(name(told.rules.stage)) != *stage {
            out.push(format!(
                "  note: these rules give {}: the configuration has changed since the snapshot was made, and `perennial unify` applies it",
                name(told.rules.stage)
            ));
        }
        out.push(String::new());
        out.push("history:".to_owned());
        for [stage, entered, left, reason] in &told.history {
            let until = left.clone().unwrap_or_else(|| "now".to_owned());
            out.push(format!(
                "  {} … {until}  {} ({})",
                text(entered),
                text(stage),
                text(reason)
            ));
        }
        out
    }

    /// How long a window that adapts is, and why.
    fn window(&self, window: &ExplainedWindow) -> Option<String> {
        let windows = self.model.windows();
        let written = match window.span {
            Span::Active => &windows.active,
            _ => &windows.lapse,
        };
        let Window::Adaptive {
            gap_multiple,
            min,
            max,
        } = written
        else {
            return None;
        };
        let days = window.length as f64 / DAY as f64;
        let why = match window.gap {
            None => "its max: no customer had ordered twice before the month began".to_owned(),
            Some(gap) => {
                let whose = match window.own {
                    true => "between the customer's own orders",
                    false => "of all customers, as this one has fewer than three orders",
                };
                let multiple = gap as f64 * gap_multiple;
                let end = match () {
                    () if multiple < min.as_micros() as f64 => ", but not below its min",
                    () if multiple > max.as_micros() as f64 => ", but not above its max",
                    () => "",
                };
                format!(
                    "{gap_multiple} × {:.2} days, the median gap {whose}{end}",
                    gap as f64 / DAY as f64
                )
            }
        };
        Some(format!("  note: {} is {days:.2} days here: {why}", window.span))
    }
}

/// Explains the stage of a customer at a moment; without one, at the moment that the snapshot describes.
///
/// # Errors
/// When there is no such customer, it was not known at the moment, or the moment is after the one that the snapshot
/// describes.
pub async fn explain_lifecycle(
    engine: &Arc<Engine>,
    customer: &str,
    at: Option<&str>,
) -> Result<LifecycleExplanation> {
    let config = Arc::clone(engine.config());
    let asking = Asking {
        session: engine.session(Login {
            user: "admin".to_owned(),
            database: DATABASE.to_owned(),
            settings: vec![("TimeZone".to_owned(), "UTC".to_owned())],
            client: "local".to_owned(),
            pid: 1,
        })?,
    };
    let given = literal(customer);
    let retired = format!("SELECT customer_id FROM identity_redirects WHERE retired_customer_id = {given}");
    let id = asking.one(&retired).await?.unwrap_or_else(|| customer.to_owned());
    let of = literal(&id);
    let present = format!("SELECT CAST(as_of_at AS text) FROM customer_360 WHERE customer_id = {of}");
    let Some(present) = asking.one(&present).await? else {
        return Err(wrong(format!("customer \"{customer}\" does not exist"))
            .with_hint("SELECT customer_id FROM customers WHERE email = '…' finds one.")
            .into());
    };
    let asked = at.unwrap_or(&present);
    let (at, instant) = asking.instant(asked).await?;
    if instant > asking.instant(&present).await?.1 {
        return Err(wrong(format!(
            "{at} is after {present}, the moment that the snapshot describes"
        ))
        .with_hint("Ask for that moment or an earlier one; `perennial unify` makes a snapshot of now.")
        .into());
    }
    let history = format!(
        "SELECT stage, CAST(entered_at AS text), CAST(left_at AS text), reason, {}, {} FROM lifecycle_history \
         WHERE customer_id = {of} ORDER BY entered_at",
        micros("entered_at"),
        micros("left_at")
    );
    let mut known = Vec::new();
    let (mut interval, mut first) = (None, None);
    for row in asking.rows(&history).await? {
        let [stage, entered, left, reason, from, until] = row.as_slice() else {
            continue;
        };
        let shown = [stage, entered, left, reason].map(Clone::clone);
        let from = from.as_deref().map_or(i64::MAX, number);
        first.get_or_insert(from);
        if from <= instant && until.as_deref().is_none_or(|until| instant < number(until)) {
            interval = Some(shown.clone());
        }
        known.push(shown);
    }
    let unknown = || {
        wrong(format!("customer \"{id}\" was not known at {at}"))
            .with_hint("lifecycle_history begins at the first sight of a customer.")
    };
    let interval = interval.ok_or_else(unknown)?;
    let model = with_population(engine, StageModel::from_config(&config.lifecycle)?).await?;
    // Of what was corrected later, what was known then counts.
    asking
        .rows(&format!("SET perennial.as_of = {}", literal(&at)))
        .await?;
    let mut facts = asking.facts(&config, &model, &of).await?;
    facts.first_seen_at = first.unwrap_or(i64::MAX);
    let rules = Evaluator::new(&model).explain(&facts.borrowed(), instant);
    let rules = rules.ok_or_else(unknown)?;
    Ok(LifecycleExplanation {
        customer_id: id,
        at,
        model,
        interval,
        history: known,
        rules,
    })
}

/// The model with the medians that the run followed, where windows adapt.
async fn with_population(engine: &Arc<Engine>, model: StageModel) -> Result<StageModel> {
    if !model.adaptive() {
        return Ok(model);
    }
    let release = engine.release();
    let state = engine.work_state(READ_MEMORY)?;
    let tables = Tables::new(engine, &state, release.manifest().map(AsRef::as_ref)).await?;
    match population::read(&tables, release.manifest().map(AsRef::as_ref)).await? {
        Some(gaps) => Ok(model.with_population(gaps)),
        None => Err(perennial_engine::Error::new(
            ErrorClass::Unsupported,
            "the snapshot does not have the population's median gaps, which windows that adapt follow",
        )
        .with_hint("`perennial unify` makes one that does.")
        .into()),
    }
}

fn wrong(message: String) -> perennial_engine::Error {
    perennial_engine::Error::new(ErrorClass::InvalidArgument, message)
}

/// An instant in microseconds, as text.
fn micros(instant: &str) -> String {
    format!(
        "CAST(arrow_cast(arrow_cast({instant}, 'Timestamp(Microsecond, Some(\"UTC\"))'), 'Int64') AS text)"
    )
}

/// An amount in ten-thousandths, as text.
fn money(amount: &str) -> String {
    format!("CAST(CAST({amount} * 10000 AS bigint) AS text)")
}

/// The place of a row's source in the configuration.
fn places(config: &Config, kind: Kind) -> String {
    let sources = config.sources.iter().filter(|source| source.kind == kind);
    let places = sources
        .enumerate()
        .map(|(place, source)| format!(" WHEN {} THEN {place}", literal(&source.name)));
    let places: String = places.collect();
    match places.is_empty() {
        true => "source".to_owned(),
        false => format!("CASE source{places} END"),
    }
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or(0)
}

struct Asking {
    session: Session,
}

impl Asking {
    /// The rows of a query of texts.
    async fn rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let mut out = Vec::new();
        for statement in self.session.parse(sql).await? {
            let prepared = self.session.prepare(&statement, &[]).await?;
            let Outcome::Rows(mut rows) = self.session.run(&prepared, Vec::new()).await? else {
                continue;
            };
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                let columns: Vec<_> = batch
                    .columns()
                    .iter()
                    .map(|column| arrow::compute::cast(column, &DataType::Utf8))
                    .collect::<std::result::Result<_, _>>()?;
                for row in 0..batch.num_rows() {
                    let cell = |column: &arrow::array::ArrayRef| {
                        let column = column.as_string::<i32>();
                        column.is_valid(row).then(|| column.value(row).to_owned())
                    };
                    out.push(columns.iter().map(cell).collect());
                }
            }
        }
        Ok(out)
    }

    async fn one(&self, sql: &str) -> Result<Option<String>> {
        Ok(self.rows(sql).await?.into_iter().flatten().flatten().next())
    }

    /// An instant as SQL shows it, and in microseconds.
    async fn instant(&self, text: &str) -> Result<(String, i64)> {
        let instant = format!("CAST({} AS timestamptz)", literal(text));
        let sql = format!("SELECT CAST({instant} AS text), {}", micros(&instant));
        match self.rows(&sql).await?.pop().as_deref() {
            Some([Some(shown), Some(instant)]) => Ok((shown.clone(), number(instant))),
            _ => Err(wrong("the moment is no timestamp".to_owned()).into()),
        }
    }

    /// The facts of a customer as the session knows them.
    async fn facts(&self, config: &Config, model: &StageModel, of: &str) -> Result<Owned> {
        let mut facts = Owned::default();
        let strong: Vec<String> = config
            .identity
            .identifiers
            .iter()
            .filter(|rule| rule.strong)
            .map(|rule| literal(&rule.name))
            .collect();
        if !strong.is_empty() {
            let sql = format!(
                "SELECT {} FROM identities WHERE customer_id = {of} AND type IN ({})",
                micros("min(first_seen_at)"),
                strong.join(", ")
            );
            facts.identified_at = self.one(&sql).await?.as_deref().map(number);
        }
        let (time, amount) = (micros("time"), money("amount"));
        let order = "source || ' ' || order_id";
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let sql = format!(
            "SELECT {order}, {time}, {amount}, CAST(paid AS text), order_id FROM orders WHERE customer_id = {of} \
             ORDER BY {}, time",
            places(config, Kind::Order)
        );
        // Of two sources that use one key, the first in the configuration holds the order.
        let mut by_id: HashMap<String, u32> = HashMap::new();
        for row in self.rows(&sql).await? {
            if let [Some(key), Some(at), amount, paid, Some(id)] = row.as_slice() {
                let next = numbers.len() as u32;
                let order = *numbers.entry(key.clone()).or_insert(next);
                by_id.entry(id.clone()).or_insert(order);
                let amount = amount.as_deref().map(|amount| i128::from(number(amount)));
                facts.orders.push(OrderVersion::only(
                    order,
                    number(at),
                    amount,
                    paid.as_deref() == Some("true"),
                ));
            }
        }
        facts.orders.sort_by_key(|order| order.effective_at);
        let sql =
            format!("SELECT order_id, {time}, {amount} FROM refunds WHERE customer_id = {of} ORDER BY time");
        for row in self.rows(&sql).await? {
            if let [Some(id), Some(at), amount] = row.as_slice()
                && let Some(order) = by_id.get(id)
            {
                let amount = amount.as_deref().map(|amount| i128::from(number(amount)));
                facts.refunds.push(Refund::only(number(at), *order, amount));
            }
        }
        let mut plans: HashMap<String, u32> = HashMap::new();
        let sql = format!(
            "SELECT source || ' ' || subscription_id, {time}, {}, status FROM subscriptions WHERE customer_id = {of} ORDER BY time",
            money("mrr")
        );
        for row in self.rows(&sql).await? {
            if let [Some(key), Some(at), mrr, status] = row.as_slice() {
                let next = plans.len() as u32;
                let plan = *plans.entry(key.clone()).or_insert(next);
                let mrr = mrr.as_deref().map(|mrr| i128::from(number(mrr)));
                let status = subscription_status(status.as_deref());
                facts
                    .subscriptions
                    .push(SubscriptionChange::only(number(at), plan, mrr, status));
            }
        }
        let sql = format!(
            "SELECT lower(trim(survey)), {time}, CAST(score AS text) FROM surveys WHERE customer_id = {of} \
             ORDER BY time, {}, record_key",
            places(config, Kind::Survey)
        );
        for row in self.rows(&sql).await? {
            if let [Some(survey), Some(at), Some(score)] = row.as_slice() {
                let score = Score::only(number(at), score.parse().unwrap_or(0.0));
                match survey.as_str() {
                    "nps" => facts.nps.push(score),
                    "csat" => facts.csat.push(score),
                    _ => {}
                }
            }
        }
        for kind in model.kinds() {
            let own = config
                .lifecycle
                .facts
                .iter()
                .find(|fact| FactKind::of_fact(&fact.name) == *kind);
            let (relation, predicate) = match (kind, own) {
                (FactKind::Event(name), _) => ("events", format!("name = {}", literal(name))),
                (FactKind::AnyEvent, _) => ("events", "true".to_owned()),
                (FactKind::Interaction, _) => ("interactions", "true".to_owned()),
                (_, Some(fact)) => (fact.relation.as_str(), fact.predicate.sql.clone()),
                _ => continue,
            };
            let Some(id) = model.kind(kind) else { continue };
            let sql = format!("SELECT {time} FROM {relation} WHERE customer_id = {of} AND ({predicate})");
            let instants = self.rows(&sql).await?.into_iter().flatten().flatten();
            facts
                .named
                .extend(instants.map(|at| NamedFact::only(number(&at), id)));
        }
        facts.named.sort_by_key(|fact| fact.at);
        Ok(facts)
    }
}

/// Facts of one customer that own themselves.
#[derive(Debug, Default)]
struct Owned {
    first_seen_at: i64,
    identified_at: Option<i64>,
    orders: Vec<OrderVersion>,
    refunds: Vec<Refund>,
    subscriptions: Vec<SubscriptionChange>,
    nps: Vec<Score>,
    csat: Vec<Score>,
    named: Vec<NamedFact>,
}

impl Owned {
    fn borrowed(&self) -> CustomerFacts<'_> {
        CustomerFacts {
            first_seen_at: self.first_seen_at,
            identified_at: self.identified_at,
            orders: &self.orders,
            refunds: &self.refunds,
            subscriptions: &self.subscriptions,
            nps: &self.nps,
            csat: &self.csat,
            named: &self.named,
        }
    }
}
