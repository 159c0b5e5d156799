//! What a person says of two records: that they are one person's, or not. It beats every rule.

use hashbrown::HashSet;

use crate::graph::{Graph, NONE};
use crate::union_find::Forest;

/// What a person says of two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// They are of one person.
    Same,
    /// They are of two persons.
    Different,
}

/// A person's word on two records, each named by its source and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// One record.
    pub a: (String, String),
    /// The other; the order says nothing.
    pub b: (String, String),
    /// What is said.
    pub verdict: Verdict,
    /// When it was said, in microseconds since 1970. Of two words that contradict each other the newer counts.
    pub time: i64,
    /// The source of the word, for the order of words of one moment.
    pub source: String,
    /// The key of the word in its source.
    pub key: String,
}

/// Whether a word took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OverrideState {
    /// It did: the records are as it says.
    Applied,
    /// A record that it names does not exist.
    UnknownRecord,
    /// It names one record twice, of which there is nothing to say.
    OneRecord,
    /// Newer words say otherwise.
    Overruled,
}

/// A word and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverrideOutcome<'a> {
    /// The word.
    pub word: &'a Override,
    /// Whether it took effect.
    pub state: OverrideState,
    /// The number of the customer of record a; none for a record that does not exist or is nobody's.
    pub customer_a: Option<u32>,
    /// The number of the customer of record b.
    pub customer_b: Option<u32>,
}

/// Two records of one customer, because a person says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverrideLink<'a> {
    /// The number of the customer.
    pub customer: u32,
    /// The earlier record.
    pub earliest: crate::Record<'a>,
    /// The other record.
    pub other: crate::Record<'a>,
    /// When it was said, in microseconds since 1970.
    pub at: i64,
}

/// A word on signatures; [`NONE`] for a record that did not come.
#[derive(Debug)]
pub(crate) struct Word {
    pub(crate) word: Override,
    pub(crate) a: u32,
    pub(crate) b: u32,
}

impl Word {
    pub(crate) fn known(&self) -> bool {
        self.a != NONE && self.b != NONE
    }

    fn pair(&self) -> (u32, u32) {
        (self.a.min(self.b), self.a.max(self.b))
    }
}

/// The words in the order in which they count, newest first: time, source, key.
pub(crate) fn sort(words: &mut [Word]) {
    let age = |word: &Word| (word.word.time, word.word.source.clone(), word.word.key.clone());
    words.sort_by_cached_key(|word| std::cmp::Reverse(age(word)));
}

/// Joins and separates by the words, newest first, before any rule is asked. Answers the signatures that a word in force
/// joins: values that nobody else held before are their customer's whatever a limit says. `first` is the node of signature 0.
pub(crate) fn apply(graph: &Graph, forest: &mut Forest, first: u32) -> HashSet<u32> {
    let (mut spoken, mut joined) = (HashSet::new(), HashSet::new());
    for word in &graph.words {
        // The newest word on a pair is the only one that counts; of a record and itself nothing can be said.
        if !word.known() || word.a == word.b || !spoken.insert(word.pair()) {
            continue;
        }
        // A person speaks of a person: the records are somebody, also without an identifier.
        let (a, b) = (first + word.a, first + word.b);
        forest.become_somebody(a);
        forest.become_somebody(b);
        match word.word.verdict {
            Verdict::Same => {
                if forest.join_by_word(a, b) {
                    joined.extend([word.a, word.b]);
                }
            }
            Verdict::Different => forest.separate(a, b),
        }
    }
    joined
}

/// The words that join records, each pair once, with their signatures.
pub(crate) fn joins(words: &[Word], joined: impl Fn(u32, u32) -> bool) -> Vec<&Word> {
    let mut spoken = HashSet::new();
    let joins = |word: &&Word| {
        word.known()
            && spoken.insert(word.pair())
            && word.a != word.b
            && word.word.verdict == Verdict::Same
            && joined(word.a, word.b)
    };
    words.iter().filter(joins).collect()
}
