//! Disjoint sets of nodes that count what they hold and refuse to hold too much.

/// Disjoint sets of nodes, with path halving. Each set knows whether it is somebody, and how many values of each
/// limited type it holds.
#[derive(Debug)]
pub(crate) struct Forest {
    parents: Vec<u32>,
    /// At roots: whether the set holds what makes a customer.
    somebody: Vec<bool>,
    limits: Vec<u32>,
    /// At roots: one count per limit.
    counts: Vec<u32>,
}

/// The place of the limit that a join would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exceeded(pub(crate) usize);

impl Forest {
    /// `nodes` sets of one node each, nobody's and empty.
    pub(crate) fn new(nodes: u32, limits: Vec<u32>) -> Self {
        let length = nodes as usize;
        let counts = vec![0; length * limits.len()];
        Self {
            parents: (0..nodes).collect(),
            somebody: vec![false; length],
            limits,
            counts,
        }
    }

    /// Makes a node that is alone somebody; it is a value of the limited type at `limit`, if any.
    pub(crate) fn make_somebody(&mut self, node: u32, limit: Option<usize>) {
        self.somebody[node as usize] = true;
        if let Some(limit) = limit {
            self.counts[node as usize * self.limits.len() + limit] = 1;
        }
    }

    pub(crate) fn find(&mut self, mut node: u32) -> u32 {
        loop {
            let parent = self.parents[node as usize];
            if parent == node {
                return node;
            }
            let grandparent = self.parents[parent as usize];
            self.parents[node as usize] = grandparent;
            node = grandparent;
        }
    }

    pub(crate) fn somebody(&self, root: u32) -> bool {
        self.somebody[root as usize]
    }

    /// Joins the sets of two nodes unless the result would hold more than a limit.
    pub(crate) fn join(&mut self, a: u32, b: u32) -> Result<(), Exceeded> {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return Ok(());
        }
        // The lower number stays root, which keeps the paths short enough together with halving.
        let (root, child) = (a.min(b) as usize, a.max(b) as usize);
        let width = self.limits.len();
        for (place, limit) in self.limits.iter().enumerate() {
            let together =
                self.counts[root * width + place].saturating_add(self.counts[child * width + place]);
            if together > *limit {
                return Err(Exceeded(place));
            }
        }
        for place in 0..width {
            self.counts[root * width + place] += self.counts[child * width + place];
        }
        self.somebody[root] |= self.somebody[child];
        self.parents[child] = root as u32;
        Ok(())
    }
}
