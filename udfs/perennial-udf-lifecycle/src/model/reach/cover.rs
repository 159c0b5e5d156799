//! Whether regions together take everybody of another one.

use std::ops::Bound;

use super::region::{ANY_SUBSCRIPTION, LATE, NO, PAID, Quantity, Range, Region, World, YES};

/// A region that is cut more often is not judged.
const MOST_CUTS: usize = 1_000;

/// The places of regions that take everybody of this one together, no more of them than are needed; `None` when somebody
/// may be left.
pub(super) fn covering(region: &Region, others: &[(usize, &Region)], world: &World) -> Option<Vec<usize>> {
    let covered = |others: &[(usize, &Region)]| {
        let mut cuts = MOST_CUTS;
        covered(region, others, world, &mut cuts)
    };
    if !covered(others) {
        return None;
    }
    let mut needed = others.to_vec();
    for at in (0..others.len()).rev() {
        let mut fewer = needed.clone();
        fewer.remove(at);
        if covered(&fewer) {
            needed = fewer;
        }
    }
    Some(needed.into_iter().map(|(place, _)| place).collect())
}

/// Whether nothing is left of a region when the others are cut off, one after the other, with so many cuts at most.
fn covered(region: &Region, others: &[(usize, &Region)], world: &World, cuts: &mut usize) -> bool {
    let mut rest = others;
    while let Some(((_, other), behind)) = rest.split_first() {
        rest = behind;
        if let Some(pieces) = without(region, other, world) {
            let Some(left) = cuts.checked_sub(1) else {
                return false;
            };
            *cuts = left;
            return pieces.iter().all(|piece| covered(piece, rest, world, cuts));
        }
    }
    false
}

/// What is left of a region without another: by each of the other's conditions the piece that fulfils those before it, and
/// not this one. `None` when they have nobody in common.
fn without(region: &Region, other: &Region, world: &World) -> Option<Vec<Region>> {
    if region.narrowed(other.written(), world).empty(world) {
        return None;
    }
    let mut pieces = Vec::new();
    let mut inside = region.clone();
    for condition in other.written() {
        let (quantity, range) = condition;
        pieces.extend(outside(&inside, quantity, range, world));
        inside = inside.narrowed(std::slice::from_ref(condition), world);
    }
    Some(pieces)
}

/// The pieces of a region whose quantity is not in a range. Where it may be unknown, and what follows from that is not
/// known either, the whole region stands for them.
fn outside(region: &Region, quantity: &Quantity, range: &Range, world: &World) -> Vec<Region> {
    let narrowed = |quantity: &Quantity, range: Range| region.narrowed(&[(quantity.clone(), range)], world);
    let unknown = match (region.allowed(quantity, world), quantity) {
        (Some(_), _) => None,
        // Whoever has ordered has both.
        (None, Quantity::Silence | Quantity::Tenure) => Some(narrowed(&Quantity::Orders, Range::Whole(0, 0))),
        // What nobody pays is known.
        (None, Quantity::Mrr) => Some(narrowed(&Quantity::Subscription, Range::Set(PAID | LATE))),
        (None, _) => Some(region.clone()),
    };
    let beside = complement(quantity, range)
        .into_iter()
        .map(|range| narrowed(quantity, range));
    let mut pieces: Vec<Region> = beside.chain(unknown).collect();
    pieces.retain(|piece| !piece.empty(world));
    pieces
}

/// The values that are not in a range, as ranges.
fn complement(quantity: &Quantity, range: &Range) -> Vec<Range> {
    let turned = |bound: &Bound<f64>| match bound {
        Bound::Included(value) => Bound::Excluded(*value),
        Bound::Excluded(value) => Bound::Included(*value),
        Bound::Unbounded => Bound::Unbounded,
    };
    match range {
        Range::Whole(low, high) => {
            let below = low.checked_sub(1).map(|end| Range::Whole(i128::MIN, end));
            let above = high.checked_add(1).map(|start| Range::Whole(start, i128::MAX));
            below.into_iter().chain(above).collect()
        }
        Range::Score(low, high) => {
            let below = Range::Score(Bound::Unbounded, turned(low));
            let above = Range::Score(turned(high), Bound::Unbounded);
            let sides = [(low, below), (high, above)].into_iter();
            let bounded = sides.filter(|(bound, _)| **bound != Bound::Unbounded);
            bounded.map(|(_, range)| range).collect()
        }
        Range::Length(lows, highs) => {
            let below = lows.iter().map(|low| Range::Length(Vec::new(), vec![*low]));
            let above = highs.iter().map(|high| Range::Length(vec![*high], Vec::new()));
            below.chain(above).collect()
        }
        Range::Set(set) => {
            let all = match quantity {
                Quantity::Subscription => ANY_SUBSCRIPTION,
                _ => NO | YES,
            };
            vec![Range::Set(all & !set)]
        }
    }
}
