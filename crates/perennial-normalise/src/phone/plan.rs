//! Numbers that are dialled plainly: digits with the decoration that people type, by the numbering plans of the
//! `phonenumber` crate but without its parser. Nearly all numbers are such, and cost a tenth so: the crate looks every
//! pattern up in a cache of a hundred behind one lock, where here each is an automaton of its own that is built once.
//!
//! The answers are those of the crate, which a test compares over the plans of all regions. What is dialled otherwise, or
//! by one of the few rules that rewrite a number, is left to the crate.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use phonenumber::metadata::DATABASE;
use phonenumber::{Metadata, Type};
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// The most digits that are looked at: a country code and a number have 15, an international prefix two.
const MOST: usize = 17;
/// The fewest digits of a national number.
const FEWEST: usize = 2;
/// The longest country code.
const LONGEST_CODE: usize = 3;
/// The most that the automaton of a pattern may take, in bytes, and making it.
const SIZE: usize = 4 << 20;

/// The kinds of numbers that make a number valid, in no order of meaning.
const VALID: [Type; 10] = [
    Type::PremiumRate,
    Type::TollFree,
    Type::SharedCost,
    Type::Voip,
    Type::PersonalNumber,
    Type::Pager,
    Type::Uan,
    Type::Voicemail,
    Type::FixedLine,
    Type::Mobile,
];

/// What a number is that is dialled plainly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dialled {
    /// A number of a plan, in E.164.
    Number(String),
    /// A number of no plan.
    Invalid,
}

/// The numbering plan of a region.
struct Plan {
    code: u16,
    general: Kind,
    kinds: Vec<Kind>,
    /// Which numbers of a country code are this region's.
    leading: Option<Pattern>,
    international_prefix: Option<Pattern>,
    national_prefix: Option<&'static str>,
    national_prefix_for_parsing: Option<Pattern>,
    /// Whether numbers with a national prefix are rewritten rather than cut.
    rewrites: bool,
    /// For each length: the general pattern, and those of the kinds as one; none where no number is so long.
    valid: [OnceLock<Option<(Pattern, Pattern)>>; MOST + 1],
}

/// The numbers of a kind.
struct Kind {
    pattern: &'static str,
    lengths: &'static [u16],
    local_lengths: &'static [u16],
}

/// A pattern that matches from the first digit on.
struct Pattern {
    text: String,
    automaton: OnceLock<Option<dense::DFA<Vec<u32>>>>,
}

/// An automaton would be too large: the crate is asked.
struct Unwieldy;

type Known<T> = Result<T, Unwieldy>;

struct Plans {
    by_region: HashMap<&'static str, Plan>,
    /// The regions of each country code; the first is the main one.
    by_code: HashMap<u16, Vec<&'static str>>,
}

static PLANS: LazyLock<Plans> = LazyLock::new(|| {
    let plans: HashMap<_, _> = DATABASE
        .iter()
        .map(|metadata| (metadata.id(), Plan::of(metadata)))
        .collect();
    let codes = plans.values().map(|plan| plan.code);
    let by_code = codes
        .map(|code| (code, DATABASE.region(&code).unwrap_or_default()))
        .collect();
    Plans {
        by_region: plans,
        by_code,
    }
});

/// What `text` is, read as dialled within `region`; none when it is not dialled plainly.
pub(super) fn dialled(text: &str, region: &str) -> Option<Dialled> {
    let home = PLANS.by_region.get(region)?;
    match text.strip_prefix('+') {
        Some(rest) => abroad(rest),
        None => within(text, home),
    }
}

/// A number that says its country: what follows the plus sign.
fn abroad(text: &str) -> Option<Dialled> {
    // Without spaces, the crate takes what precedes the first of these for the country code, whatever its length.
    if !text.contains(' ') && text.contains(['-', '.', '(', ')']) {
        return None;
    }
    let digits = Digits::of(text)?;
    settle(PLANS.international(digits.as_str()))
}

fn within(text: &str, home: &Plan) -> Option<Dialled> {
    let digits = Digits::of(text)?;
    let digits = digits.as_str();
    let prefix = match &home.international_prefix {
        Some(pattern) => pattern.end(digits).ok()?,
        None => None,
    };
    if let Some(end) = prefix
        && digits.get(end..).is_some_and(|rest| !rest.starts_with('0'))
    {
        return match text.strip_prefix("00") {
            Some(rest) if end == 2 => abroad(rest),
            _ => None,
        };
    }
    settle(PLANS.national(digits, home))
}

fn settle(known: Known<Option<Option<String>>>) -> Option<Dialled> {
    Some(match known.ok()?? {
        Some(number) => Dialled::Number(number),
        None => Dialled::Invalid,
    })
}

/// The digits of a text that has nothing else but what people put between digits.
struct Digits([u8; MOST], usize);

impl Digits {
    fn of(text: &str) -> Option<Self> {
        let mut digits = Self([0; MOST], 0);
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => {
                    *digits.0.get_mut(digits.1)? = byte;
                    digits.1 += 1;
                }
                b' ' | b'/' | b'-' | b'.' | b'(' | b')' => {}
                _ => return None,
            }
        }
        (digits.1 > LONGEST_CODE + 1).then_some(digits)
    }

    fn as_str(&self) -> &str {
        self.0
            .get(..self.1)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .unwrap_or_default()
    }
}

impl Plans {
    /// A number that begins with its country code: none inside when there is none, none outside when the crate knows.
    fn international(&self, digits: &str) -> Known<Option<Option<String>>> {
        if digits.starts_with('0') {
            return Ok(Some(None));
        }
        let codes = (1..=LONGEST_CODE).filter_map(|length| digits.split_at_checked(length));
        let known = codes.filter_map(|(code, national)| {
            let code: u16 = code.parse().ok()?;
            self.by_code.contains_key(&code).then_some((code, national))
        });
        let Some((code, national)) = known.into_iter().next() else {
            return Ok(Some(None));
        };
        let plan = self.plan_of(code, national.trim_start_matches('0'))?;
        self.finish(code, national, plan)
    }

    /// A number as it is dialled within a region.
    fn national(&self, digits: &str, home: &Plan) -> Known<Option<Option<String>>> {
        let code = home.code.to_string();
        let national = match digits.strip_prefix(code.as_str()) {
            Some(rest) if !home.general.matches(digits, home)? || !home.possible(digits) => rest,
            _ => digits,
        };
        self.finish(home.code, national, Some(home))
    }

    /// Takes the national prefix off and judges what is left.
    fn finish(&self, code: u16, national: &str, plan: Option<&Plan>) -> Known<Option<Option<String>>> {
        let mut national = national;
        if let Some(plan) = plan {
            let Some(cut) = plan.without_prefix(national)? else {
                return Ok(None);
            };
            if !plan.too_short(cut) {
                national = cut;
            }
        }
        if national.len() < FEWEST || national.bytes().all(|digit| digit == b'0') {
            return Ok(Some(None));
        }
        let valid = match self.plan_of(code, national)? {
            Some(plan) => plan.valid(national)?,
            None => false,
        };
        Ok(Some(valid.then(|| format!("+{code}{national}"))))
    }

    /// The plan of a national number of a country code.
    fn plan_of(&self, code: u16, national: &str) -> Known<Option<&Plan>> {
        let regions = self.by_code.get(&code).map(Vec::as_slice).unwrap_or_default();
        let plans = regions.iter().filter_map(|region| self.by_region.get(region));
        if regions.len() == 1 {
            let mut plans = plans;
            // Codes of no region (+800) share one id, under which the database keeps but one of their plans.
            return match plans.next() {
                Some(plan) if plan.code == code => Ok(Some(plan)),
                _ => Err(Unwieldy),
            };
        }
        for plan in plans {
            let own = match &plan.leading {
                Some(leading) => leading.end(national)?.is_some(),
                None => plan.valid(national)?,
            };
            if own {
                return Ok(Some(plan));
            }
        }
        Ok(None)
    }
}

impl Plan {
    fn of(metadata: &'static Metadata) -> Self {
        let descriptors = metadata.descriptors();
        let kind = |of_type: Type| {
            descriptors.get(of_type).map(|descriptor| Kind {
                pattern: descriptor.national_number().as_str(),
                lengths: descriptor.possible_length(),
                local_lengths: descriptor.possible_local_length(),
            })
        };
        Self {
            code: metadata.country_code(),
            general: Kind {
                pattern: descriptors.general().national_number().as_str(),
                lengths: descriptors.general().possible_length(),
                local_lengths: descriptors.general().possible_local_length(),
            },
            kinds: VALID.into_iter().filter_map(kind).collect(),
            leading: metadata
                .leading_digits()
                .map(|regex| Pattern::new(regex.as_str())),
            international_prefix: metadata
                .international_prefix()
                .map(|regex| Pattern::new(regex.as_str())),
            national_prefix: metadata.national_prefix(),
            national_prefix_for_parsing: metadata
                .national_prefix_for_parsing()
                .map(|regex| Pattern::new(regex.as_str())),
            rewrites: metadata.national_prefix_transform_rule().is_some(),
            valid: Default::default(),
        }
    }

    /// The general pattern and those of the kinds for numbers of a length.
    fn patterns(&self, length: usize) -> Option<&(Pattern, Pattern)> {
        let make = || {
            let fits = |kind: &&Kind| kind.fits(length);
            let kinds: Vec<String> = self.kinds.iter().filter(fits).map(Kind::group).collect();
            (self.general.fits(length) && !kinds.is_empty())
                .then(|| (Pattern::new(self.general.pattern), Pattern::new(&kinds.join("|"))))
        };
        self.valid.get(length)?.get_or_init(make).as_ref()
    }

    /// Whether a national number is one of the plan.
    fn valid(&self, national: &str) -> Known<bool> {
        match self.patterns(national.len()) {
            Some((general, kinds)) => Ok(general.end(national)?.is_some() && kinds.end(national)?.is_some()),
            None => Ok(false),
        }
    }

    /// A national number without the prefix of calls within the country; none when the plan rewrites such numbers.
    fn without_prefix<'a>(&self, national: &'a str) -> Known<Option<&'a str>> {
        let cut = |number: &'a str| {
            let prefix = self.national_prefix.unwrap_or_default();
            number.strip_prefix(prefix).unwrap_or(number)
        };
        let Some(pattern) = &self.national_prefix_for_parsing else {
            return Ok(Some(cut(cut(national))));
        };
        let number = match pattern.end(national)? {
            Some(_) if self.rewrites => return Ok(None),
            Some(end) => national.get(end..).unwrap_or_default(),
            None => national,
        };
        Ok(Some(cut(number)))
    }

    /// The lengths of numbers, as the crate sees them: none where the general kind names no lengths.
    fn lengths(&self) -> &'static [u16] {
        self.general.lengths
    }

    fn too_short(&self, number: &str) -> bool {
        let length = number.len() as u16;
        !self.general.local_lengths.contains(&length)
            && self.lengths().first().is_some_and(|fewest| length < *fewest)
    }

    fn possible(&self, number: &str) -> bool {
        let length = number.len() as u16;
        !self.lengths().is_empty()
            && (self.general.local_lengths.contains(&length) || self.lengths().contains(&length))
    }
}

impl Kind {
    fn fits(&self, length: usize) -> bool {
        self.lengths.is_empty() || self.lengths.contains(&(length as u16))
    }

    fn group(&self) -> String {
        format!("(?:{})", self.pattern)
    }

    /// Whether a number is of the general kind of a plan, which this is.
    fn matches(&self, number: &str, plan: &Plan) -> Known<bool> {
        if !self.fits(number.len()) {
            return Ok(false);
        }
        match plan.patterns(number.len()) {
            Some((general, _)) => Ok(general.end(number)?.is_some()),
            None => Err(Unwieldy),
        }
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            automaton: OnceLock::new(),
        }
    }

    /// Where the match at the start of `digits` ends; none without one.
    fn end(&self, digits: &str) -> Known<Option<usize>> {
        let make = || {
            let syntax = syntax::Config::new()
                .unicode(false)
                .utf8(false)
                .ignore_whitespace(true);
            let config = dense::Config::new()
                .start_kind(StartKind::Anchored)
                .dfa_size_limit(Some(SIZE))
                .determinize_size_limit(Some(SIZE));
            let mut builder = dense::Builder::new();
            builder.syntax(syntax).configure(config).build(&self.text).ok()
        };
        let automaton = self.automaton.get_or_init(make).as_ref().ok_or(Unwieldy)?;
        let input = Input::new(digits).anchored(Anchored::Yes);
        let found = automaton.try_search_fwd(&input).map_err(|_| Unwieldy)?;
        Ok(found.map(|found| found.offset()))
    }
}
