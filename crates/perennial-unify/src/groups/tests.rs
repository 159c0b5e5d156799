//! Groups in memory and in files, and how they are numbered.

use super::*;

#[test]
fn groups_are_numbered_by_their_latest_rows() {
    let mut nodes = Nodes::new(false, HashSet::new(), &Scratch::new(None, 0).unwrap());
    for latest in [50, 10, 0, 30, 20] {
        let element = nodes.element();
        nodes.latest[element as usize] = latest;
    }
    nodes.join(1, 3);
    nodes.join(2, 4);
    let labels = nodes.numbered();
    assert_eq!(labels.groups, 3);
    let of = [0, 1, 2, 3, 4].map(|element| labels.of(element));
    assert_eq!(of, [2, 1, 0, 1, 0]);
}

#[test]
fn a_time_before_1970_is_the_first_minute() {
    assert_eq!(
        [i64::MIN, -1, 59_999_999, 60_000_000, i64::MAX].map(minute),
        [0, 0, 0, 1, u32::MAX]
    );
}

/// Elements that name one of some hashes each, and a few that are joined besides, against labels by hand.
#[test]
fn what_names_the_same_is_one_group_in_memory_and_in_files() {
    const ELEMENTS: u32 = 1_500_000;
    const HASHES: u32 = 400_000;
    let hash = |element: u32| u64::from(element % HASHES).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let joins: Vec<(u32, u32)> = (0..10).map(|at| (at * 7_919, at * 104_729 + 3)).collect();
    let mut expected: Vec<u32> = (0..ELEMENTS).map(|element| element % HASHES).collect();
    for (a, b) in &joins {
        let (from, to) = (expected[*a as usize], expected[*b as usize]);
        expected
            .iter_mut()
            .filter(|label| **label == from)
            .for_each(|label| *label = to);
    }
    for memory in [usize::MAX, 0] {
        let mut nodes = Nodes::new(false, HashSet::new(), &Scratch::new(None, memory).unwrap());
        for element in 0..ELEMENTS {
            assert_eq!(nodes.element(), element);
            nodes.note(hash(element), element);
            if element % 100_000 == 0 {
                nodes.share().unwrap();
            }
        }
        joins.iter().for_each(|(a, b)| nodes.join(*a, *b));
        let settled: Vec<_> = nodes.settle().unwrap().parts().map(Result::unwrap).collect();
        let settled = settled.concat();
        assert_eq!(settled.len(), HASHES as usize);
        assert!(settled.is_sorted_by(|a, b| a.0 < b.0));
        assert!(settled.iter().all(|(node, element)| *node == hash(*element)));
        let labels = nodes.numbered();
        let pairs: HashSet<(u32, u32)> = (0..)
            .zip(&expected)
            .map(|(at, label)| (labels.of(at), *label))
            .collect();
        let one = |side: fn(&(u32, u32)) -> u32| pairs.iter().map(side).collect::<HashSet<_>>().len();
        assert_eq!([one(|pair| pair.0), one(|pair| pair.1)], [pairs.len(); 2]);
        assert_eq!(labels.groups as usize, pairs.len());
    }
}
