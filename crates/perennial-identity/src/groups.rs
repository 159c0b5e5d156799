//! Numbers by group, in two arrays.

/// Items by group: which signatures hold an identifier, which identifiers a customer has.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Where the items of each group end; they start where those of the group before end.
    ends: Vec<usize>,
    items: Vec<u32>,
}

impl Groups {
    /// Groups the items of `pairs`, which are (group, item) with groups below `count`. The items of a group keep the
    /// order of the pairs.
    pub(crate) fn new(count: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut ends = vec![0_usize; count];
        for (group, _) in pairs.clone() {
            ends[group as usize] += 1;
        }
        let mut total = 0;
        for end in &mut ends {
            // Where the group starts, until filling it has moved this on to its end.
            let length = std::mem::replace(end, total);
            total += length;
        }
        let mut items = vec![0; total];
        for (group, item) in pairs {
            let place = &mut ends[group as usize];
            items[*place] = item;
            *place += 1;
        }
        Self { ends, items }
    }

    /// What they hold, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.ends.capacity() * size_of::<usize>() + self.items.capacity() * size_of::<u32>()
    }

    pub(crate) fn of(&self, group: u32) -> &[u32] {
        let group = group as usize;
        let start = group.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.items[start..self.ends[group]]
    }

    pub(crate) fn of_mut(&mut self, group: u32) -> &mut [u32] {
        let group = group as usize;
        let start = group.checked_sub(1).map_or(0, |before| self.ends[before]);
        &mut self.items[start..self.ends[group]]
    }

    pub(crate) fn items(&self) -> &[u32] {
        &self.items
    }
}
