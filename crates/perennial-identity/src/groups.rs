//! Numbers by group, in two arrays.

use crate::Error;

/// Items by group: which signatures hold an identifier, which identifiers a customer has.
#[derive(Debug)]
pub(crate) struct Groups {
    /// Where the items of each group end; they start where those of the group before end.
    ends: Vec<u32>,
    items: Vec<u32>,
}

impl Groups {
    /// Groups the items of `pairs`, which are (group, item) with groups below `count`. The items of a group keep the
    /// order of the pairs.
    pub(crate) fn new(count: usize, pairs: impl Iterator<Item = (u32, u32)> + Clone) -> Result<Self, Error> {
        let mut ends = vec![0_u32; count];
        for (group, _) in pairs.clone() {
            ends[group as usize] += 1;
        }
        let mut total = 0_u32;
        for end in &mut ends {
            // Where the group starts, until filling it has moved this on to its end.
            let length = std::mem::replace(end, total);
            total = total.checked_add(length).ok_or(Error::TooMany {
                what: "records of identifiers",
            })?;
        }
        let mut items = vec![0; total as usize];
        for (group, item) in pairs {
            let place = &mut ends[group as usize];
            items[*place as usize] = item;
            *place += 1;
        }
        Ok(Self { ends, items })
    }

    /// What they hold, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.ends.capacity() * size_of::<u32>() + self.items.capacity() * size_of::<u32>()
    }

    pub(crate) fn of(&self, group: u32) -> &[u32] {
        let group = group as usize;
        let start = group
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        &self.items[start..self.ends[group] as usize]
    }

    pub(crate) fn of_mut(&mut self, group: u32) -> &mut [u32] {
        let group = group as usize;
        let start = group
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        &mut self.items[start..self.ends[group] as usize]
    }

    pub(crate) fn items(&self) -> &[u32] {
        &self.items
    }
}
