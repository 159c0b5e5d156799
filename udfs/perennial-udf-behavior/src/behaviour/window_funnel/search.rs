//! The search for the longest chain.

/// The most steps of a funnel: one bit each.
pub(super) const MAX_STEPS: usize = 32;

/// A row that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    /// In microseconds.
    pub(super) at: i64,
    /// A bit per fulfilled step, the first step lowest.
    pub(super) steps: u32,
}

/// What ends or forbids a chain besides the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mode {
    increase: bool,
    deduplication: bool,
    order: bool,
}

impl Mode {
    /// Reads the names of modes; `None` when one does not exist.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut mode = Self::default();
        for name in text.split([' ', ',']).filter(|name| !name.is_empty()) {
            match name {
                "strict_increase" => mode.increase = true,
                "strict_deduplication" => mode.deduplication = true,
                "strict_order" => mode.order = true,
                _ => return None,
            }
        }
        Some(mode)
    }

    /// Whether rows that fulfil nothing matter.
    pub(super) fn ordered(self) -> bool {
        self.order
    }

    pub(super) fn bits(self) -> i64 {
        i64::from(self.increase) | i64::from(self.deduplication) << 1 | i64::from(self.order) << 2
    }

    pub(super) fn of_bits(bits: i64) -> Self {
        Self {
            increase: bits & 1 != 0,
            deduplication: bits & 2 != 0,
            order: bits & 4 != 0,
        }
    }
}

/// The length of the longest chain. Sorts the events.
pub(super) fn level(events: &mut [Event], window: i64, mode: Mode) -> i64 {
    events.sort_unstable_by_key(|event| (event.at, event.steps.trailing_zeros(), event.steps));
    // By length less one: where the chain of that length began that began last, since it leaves the most of the window.
    let mut chains = Chains::default();
    let mut before = chains;
    let mut instant = None;
    for event in events {
        // Chains that grow at this instant are not yet there for other rows of it, if rows must be later.
        if !mode.increase || instant != Some(event.at) {
            before = chains;
            instant = Some(event.at);
        }
        let made = length(&chains);
        let reach = |step: usize| match step.checked_sub(1) {
            None => Some(event.at),
            Some(last) => {
                let began_at = before.get(last).copied().flatten();
                began_at.filter(|began_at| event.at <= began_at.saturating_add(window))
            }
        };
        let steps = (0..MAX_STEPS).rev().filter(|step| event.steps >> step & 1 == 1);
        let further = steps.clone().any(|step| step == made && reach(step).is_some());
        if mode.deduplication && !further && steps.clone().any(|step| step < made) {
            break;
        }
        if mode.order && made > 0 && !steps.clone().any(|step| step <= made) {
            break;
        }
        // From the last step down: one row must not carry one chain on twice.
        for step in steps {
            if let (Some(chain), Some(began_at)) = (chains.get_mut(step), reach(step)) {
                *chain = Some(began_at);
            }
        }
    }
    length(&chains) as i64
}

type Chains = [Option<i64>; MAX_STEPS];

fn length(chains: &Chains) -> usize {
    chains.iter().take_while(|chain| chain.is_some()).count()
}
