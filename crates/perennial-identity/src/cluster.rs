//! Clustering: a function from edges to labels.

use hashbrown::HashSet;

use crate::Error;
use crate::graph::{Graph, NONE};
use crate::groups::Groups;
use crate::intern::next_number;
use crate::overrides;
use crate::union_find::{Forest, Refusal};

/// Which signatures and identifiers are one customer, and what was kept apart.
#[derive(Debug)]
pub(crate) struct Clusters {
    /// The component of each signature; none for the records of nobody.
    pub(crate) signatures: Vec<u32>,
    /// The component of each identifier; none for one that no record holds by an edge.
    pub(crate) identifiers: Vec<u32>,
    /// How many components there are; they are numbered from 0 in no order of meaning.
    pub(crate) count: u32,
    /// The edges that were refused, in the order in which they were tried.
    pub(crate) refused: Vec<Refused>,
    /// The identifiers that join nobody because they would join too many.
    pub(crate) withheld: Vec<Withheld>,
}

/// An edge whose join would have exceeded a limit, or joined what a person keeps apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) identifier: u32,
    pub(crate) signature: u32,
    /// The identifier type of which the customer would have held too many values; none for a person's word.
    pub(crate) exceeded_type: Option<usize>,
}

/// An identifier over the bound on its customers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Withheld {
    pub(crate) identifier: u32,
    pub(crate) customers: u32,
    pub(crate) max_customers: u32,
}

/// Clusters the graph; `holders` are the signatures of each identifier.
pub(crate) fn cluster(graph: &Graph, holders: &Groups) -> Result<Clusters, Error> {
    // Identifiers are the first nodes, signatures follow.
    let identifiers = next_number(graph.identifiers.len(), "identifiers")?;
    let nodes = next_number(
        graph.identifiers.len() + graph.signatures.len(),
        "identifiers and groups of records",
    )?;
    let limits: Vec<(usize, u32)> = graph
        .bounds
        .iter()
        .enumerate()
        .filter_map(|(place, bounds)| Some((place, bounds.limit?)))
        .collect();
    let mut forest = Forest::new(nodes, limits.iter().map(|(_, limit)| *limit).collect());
    for identifier in 0..identifiers {
        let of_type = graph.identifiers.type_of(identifier);
        forest.make_somebody(
            identifier,
            limits.iter().position(|(limited, _)| *limited == of_type),
        );
    }
    for (node, signature) in (identifiers..).zip(graph.signatures.iter()) {
        if graph.person(signature) {
            forest.make_somebody(node, None);
        }
    }

    let by_word = overrides::apply(graph, &mut forest, identifiers);
    // Values of records that a word joins, as long as no record holds them: they are that customer's whatever a limit says.
    let mut unheld: HashSet<u32> = match by_word.is_empty() {
        true => HashSet::new(),
        false => {
            let of_words = graph.edges().filter(|(_, signature)| by_word.contains(signature));
            of_words.map(|(identifier, _)| identifier).collect()
        }
    };

    let by_type = Groups::new(
        graph.bounds.len(),
        (0..identifiers).map(|identifier| (graph.identifiers.type_of(identifier) as u32, identifier)),
    )?;
    let (mut refused, mut withheld) = (Vec::new(), Vec::new());
    for (number, bounds) in (0_u32..).zip(&graph.bounds) {
        let values = by_type.of(number);
        let joining = match bounds.max_customers {
            None => None,
            Some(max_customers) => {
                let joining = joining(
                    values,
                    holders,
                    &mut forest,
                    identifiers,
                    max_customers,
                    &mut withheld,
                );
                Some(joining)
            }
        };
        let values = joining.as_deref().unwrap_or(values);
        let count = values
            .iter()
            .map(|identifier| holders.of(*identifier).len())
            .sum();
        let edges = edges_of(values, holders);
        // Without limits nothing is ever refused, and the order does not matter.
        let edges: Box<dyn Iterator<Item = (u32, u32)>> = match limits.is_empty() && !forest.separates() {
            true => Box::new(edges),
            false => Box::new(in_order(graph, count, edges)),
        };
        for (identifier, signature) in edges {
            let node = identifiers + signature;
            let own = unheld.contains(&identifier) && by_word.contains(&signature);
            let joined = match own {
                false => forest.join(identifier, node),
                true if forest.join_by_word(identifier, node) => Ok(()),
                true => Err(Refusal::Separated),
            };
            if joined.is_ok() {
                unheld.remove(&identifier);
            }
            if let Err(refusal) = joined {
                let exceeded_type = match refusal {
                    Refusal::Exceeded(place) => Some(limits[place].0),
                    Refusal::Separated => None,
                };
                refused.push(Refused {
                    identifier,
                    signature,
                    exceeded_type,
                });
            }
        }
    }
    Ok(label(graph, forest, identifiers, refused, withheld))
}

/// The values that join somebody. What a value would join is counted on the components that stronger types alone built:
/// nothing of this type is joined before all its values are judged.
fn joining(
    values: &[u32],
    holders: &Groups,
    forest: &mut Forest,
    identifiers: u32,
    max_customers: u32,
    withheld: &mut Vec<Withheld>,
) -> Vec<u32> {
    let mut roots = Vec::new();
    let mut joining = Vec::with_capacity(values.len());
    for identifier in values {
        roots.clear();
        roots.extend(
            holders
                .of(*identifier)
                .iter()
                .map(|signature| forest.find(identifiers + signature)),
        );
        roots.retain(|root| forest.somebody(*root));
        roots.sort_unstable();
        roots.dedup();
        // There are no more roots than nodes, which 32 bits count.
        let customers = roots.len() as u32;
        if customers > max_customers {
            withheld.push(Withheld {
                identifier: *identifier,
                customers,
                max_customers,
            });
        } else {
            joining.push(*identifier);
        }
    }
    joining
}

/// The edges of one type, `count` of them, in the order in which they are tried.
fn in_order(
    graph: &Graph,
    count: usize,
    of_type: impl Iterator<Item = (u32, u32)>,
) -> impl Iterator<Item = (u32, u32)> {
    let mut edges: Vec<(i64, u32, u32)> = Vec::with_capacity(count);
    edges.extend(
        of_type.map(|(identifier, signature)| (graph.signature(signature).first_at, identifier, signature)),
    );
    edges.sort_unstable_by(|a, b| graph.edge_order(*a, *b));
    edges
        .into_iter()
        .map(|(_, identifier, signature)| (identifier, signature))
}

fn edges_of<'a>(values: &'a [u32], holders: &'a Groups) -> impl Iterator<Item = (u32, u32)> + 'a {
    values.iter().flat_map(|identifier| {
        holders
            .of(*identifier)
            .iter()
            .map(|signature| (*identifier, *signature))
    })
}

/// Numbers the sets that are customers: those with a record in them and somebody who it belongs to.
fn label(
    graph: &Graph,
    mut forest: Forest,
    identifiers: u32,
    refused: Vec<Refused>,
    withheld: Vec<Withheld>,
) -> Clusters {
    let mut of_root = vec![NONE; graph.identifiers.len() + graph.signatures.len()];
    let mut count = 0;
    let mut signatures = Vec::with_capacity(graph.signatures.len());
    for (node, _) in (identifiers..).zip(graph.signatures.iter()) {
        let root = forest.find(node);
        let component = &mut of_root[root as usize];
        if *component == NONE && forest.somebody(root) {
            *component = count;
            count += 1;
        }
        signatures.push(*component);
    }
    let identifiers = (0..identifiers)
        .map(|identifier| of_root[forest.find(identifier) as usize])
        .collect();
    Clusters {
        signatures,
        identifiers,
        count,
        refused,
        withheld,
    }
}
