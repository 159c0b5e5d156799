//! The rows of the kernel benches: made up, of a shop's shape, and the same in every run.

use rand::{
    Rng, SeedableRng,
    seq::{IndexedRandom, SliceRandom},
};
use rand_chacha::ChaCha8Rng;

/// Rows of a batch, DataFusion's default.
pub(crate) const ROWS: usize = 8_192;
/// Batches that an aggregate gets.
pub(crate) const BATCHES: usize = 16;
/// Groups of an aggregate, partitions of a window function.
pub(crate) const GROUPS: usize = 1_024;
/// Steps of the funnel.
pub(crate) const STEPS: usize = 3;

/// In microseconds, as all instants here.
pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const DAY: i64 = 24 * 60 * MINUTE;
/// 2026-01-01.
pub(crate) const AS_OF: i64 = 20_454 * DAY;

/// The parameters r, alpha, a and b of Fader, Hardie and Lee (2005) for CDNOW, in weeks.
pub(crate) const MODEL: [f64; 4] = [0.243, 4.414, 0.793, 2.426];

/// The case of addresses that are in normal form already.
pub(crate) const NORMAL: &str = "normal";

const SEED: u64 = 20_260_101;
const GIVEN: [&str; 8] = [
    "anna", "bob", "chloe", "dmitri", "elif", "farid", "grace", "hiroshi",
];
const FAMILY: [&str; 8] = [
    "smith", "garcia", "mueller", "rossi", "tanaka", "nowak", "okafor", "lind",
];
const DOMAINS: [&str; 6] = [
    "gmail.com",
    "outlook.com",
    "example.org",
    "mail.example.co.uk",
    "web.example.de",
    "acme-widgets.example",
];

/// What is known of a customer at [`AS_OF`].
pub(crate) struct Customer {
    pub(crate) orders: i64,
    pub(crate) last_order_at: Option<i64>,
    pub(crate) identified: bool,
    pub(crate) orders_last_365_days: i64,
    pub(crate) nps_latest: Option<f64>,
    pub(crate) referrals_last_365_days: i64,
    pub(crate) returned_at: Option<i64>,
    pub(crate) closed: bool,
}

/// What a customer did, and which step of the funnel it was, if one.
#[derive(Clone, Copy)]
pub(crate) struct Event {
    pub(crate) customer: usize,
    pub(crate) at: i64,
    pub(crate) step: Option<usize>,
}

/// Addresses in normal form, as golden records have them, and as sources spell them.
pub(crate) fn spellings() -> [(&'static str, Vec<Option<String>>); 2] {
    let mut random = random(1);
    let normal: Vec<String> = (0..ROWS).map(|_| address(&mut random)).collect();
    let landed = normal
        .iter()
        .map(|address| landed(address, &mut random))
        .collect();
    [
        (NORMAL, normal.into_iter().map(Some).collect()),
        ("landed", landed),
    ]
}

fn address(random: &mut ChaCha8Rng) -> String {
    let mut pick = |words: &[&'static str]| words.choose(random).copied().unwrap_or_default();
    let (given, family, domain) = (pick(&GIVEN), pick(&FAMILY), pick(&DOMAINS));
    format!("{given}.{family}{}@{domain}", random.random_range(1..10_000))
}

fn landed(address: &str, random: &mut ChaCha8Rng) -> Option<String> {
    Some(match random.random_range(0..100) {
        0..60 => address.to_owned(),
        60..76 => address.to_uppercase(),
        76..84 => format!(" {address} "),
        84..88 => format!("\"Smith, Anna\" <{address}>"),
        88..91 => format!("mailto:{address}"),
        91..94 => address.replace('@', "+news@"),
        94..96 => address.replace('a', "Ä"),
        96..98 => "n/a".to_owned(),
        _ => return None,
    })
}

/// Customers of every stage.
pub(crate) fn customers() -> Vec<Customer> {
    let mut random = random(2);
    (0..ROWS).map(|_| customer(&mut random)).collect()
}

fn customer(random: &mut ChaCha8Rng) -> Customer {
    let orders: i64 = match random.random_range(0..10) {
        0..3 => 0,
        3..6 => 1,
        6..8 => random.random_range(2..4),
        _ => random.random_range(4..30),
    };
    // Squares of days: two thirds of those who bought are active, some have lapsed.
    let silence = random.random_range(0..15_i64).pow(2) * DAY + random.random_range(0..DAY);
    let bought = orders > 0;
    Customer {
        orders,
        last_order_at: bought.then_some(AS_OF - silence),
        identified: random.random_bool(0.7),
        orders_last_365_days: random.random_range(0..=orders),
        nps_latest: random
            .random_bool(0.2)
            .then(|| f64::from(random.random_range(0..=10_u8))),
        referrals_last_365_days: i64::from(random.random_bool(0.05)),
        returned_at: (bought && random.random_bool(0.1)).then(|| AS_OF - random.random_range(0..200 * DAY)),
        closed: random.random_bool(0.03),
    }
}

/// Spend in ten-thousandths and the customers won by it; by some, none.
pub(crate) fn campaigns() -> (Vec<i64>, Vec<i64>) {
    let mut random = random(3);
    let mut campaign = |_| {
        let won = if random.random_bool(0.03) {
            0
        } else {
            random.random_range(1..5_000)
        };
        (random.random_range(0..2_000_000_000_i64), won)
    };
    (0..ROWS).map(&mut campaign).unzip()
}

/// Scores and their groups. A few were asked and did not answer.
pub(crate) fn survey() -> (Vec<Option<f64>>, Vec<usize>) {
    let mut random = random(4);
    let mut answer = |_| {
        let score: u8 = match random.random_range(0..100) {
            0..45 => random.random_range(9..=10),
            45..75 => random.random_range(7..=8),
            _ => random.random_range(0..=6),
        };
        let answered = random.random_bool(0.95);
        (
            answered.then_some(f64::from(score)),
            random.random_range(0..GROUPS),
        )
    };
    (0..ROWS * BATCHES).map(&mut answer).unzip()
}

/// Events by customer and time, in sessions, no two of a customer at one instant.
pub(crate) fn events(count: usize, customers: usize) -> Vec<Event> {
    let mut random = random(5);
    let mut owners: Vec<usize> = (0..count).map(|_| random.random_range(0..customers)).collect();
    owners.sort_unstable();
    let mut last: Option<(usize, i64)> = None;
    let mut event = |customer| {
        let pause = match random.random_bool(0.8) {
            true => random.random_range(1..20 * MINUTE),
            false => random.random_range(60 * MINUTE..3 * DAY),
        };
        let before = last.filter(|(owner, _)| *owner == customer).map(|(_, at)| at);
        let at = before.unwrap_or(AS_OF) + pause;
        last = Some((customer, at));
        let step = match random.random_range(0..100) {
            0..55 => Some(0),
            55..67 => Some(1),
            67..72 => Some(2),
            _ => None,
        };
        Event { customer, at, step }
    };
    owners.into_iter().map(&mut event).collect()
}

/// The same events as they happen.
pub(crate) fn by_time(events: &[Event]) -> Vec<Event> {
    let mut events = events.to_vec();
    events.sort_unstable_by_key(|event| (event.at, event.customer));
    events
}

/// The same events in no order.
pub(crate) fn shuffled(events: &[Event]) -> Vec<Event> {
    let mut events = events.to_vec();
    events.shuffle(&mut random(6));
    events
}

/// Repeat purchases x, time of the last of them and age, in weeks.
pub(crate) fn histories() -> Vec<[f64; 3]> {
    let mut random = random(7);
    let mut history = |_| {
        let age = random.random_range(4.0..150.0);
        if random.random_bool(0.45) {
            return [0.0, 0.0, age];
        }
        let repeats = random.random_range(1..=30_u8);
        [f64::from(repeats), age * random.random_range(0.05..1.0), age]
    };
    (0..ROWS).map(&mut history).collect()
}

/// A stream of its own for each table, so that a change to one does not change the others.
fn random(stream: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    random.set_stream(stream);
    random
}
