//! What the demo business sells, and what goes into a basket together.

use crate::random::Chance;

/// A group of products.
#[derive(Debug)]
pub(crate) struct Category {
    pub(crate) name: &'static str,
    /// How often a basket begins with it.
    pub(crate) weight: f64,
    /// The categories that people add to it, by position in [`CATEGORIES`], and how strongly.
    pub(crate) companions: &'static [(usize, f64)],
    /// What the business pays for it, as a share of the price.
    pub(crate) cost_ratio: f64,
    /// Names and prices in euro cents, cheapest first.
    pub(crate) products: &'static [(&'static str, i64)],
}

/// A product, by its place in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Product {
    category: u8,
    place: u8,
}

/// The categories.
pub(crate) const CATEGORIES: [Category; 8] = [
    Category {
        name: "coffee",
        weight: 0.44,
        companions: &[(2, 5.0), (6, 1.5), (3, 0.8), (0, 3.0)],
        cost_ratio: 0.52,
        products: &[
            ("House Blend 250 g", 790),
            ("Decaf Sugarcane 250 g", 890),
            ("Espresso Nord 250 g", 950),
            ("Guatemala Antigua 250 g", 1090),
            ("Ethiopia Yirgacheffe 250 g", 1240),
            ("Kenya Nyeri AA 250 g", 1390),
            ("Colombia Natural 500 g", 1890),
            ("House Blend 1 kg", 2490),
            ("Espresso Nord 1 kg", 2890),
            ("Panama Geisha 200 g", 3900),
        ],
    },
    Category {
        name: "tea",
        weight: 0.14,
        companions: &[(6, 4.0), (5, 2.0), (1, 2.5)],
        cost_ratio: 0.45,
        products: &[
            ("Peppermint Leaves 80 g", 590),
            ("Rooibos Vanilla 100 g", 690),
            ("East Frisian Blend 250 g", 990),
            ("Earl Grey 100 g", 1090),
            ("Sencha 100 g", 1490),
            ("Darjeeling First Flush 100 g", 1990),
            ("Matcha Ceremonial 40 g", 2990),
        ],
    },
    Category {
        name: "filters",
        weight: 0.07,
        companions: &[(0, 6.0), (7, 1.0)],
        cost_ratio: 0.30,
        products: &[
            ("Paper Filters V60 02, 100 pieces", 590),
            ("Paper Filters Size 4, 200 pieces", 690),
            ("Paper Filters Chemex, 100 pieces", 1190),
            ("Steel Filter", 2490),
        ],
    },
    Category {
        name: "brewing",
        weight: 0.12,
        companions: &[(2, 6.0), (0, 4.0), (5, 1.0)],
        cost_ratio: 0.58,
        products: &[
            ("Dripper V60 Plastic", 890),
            ("Dripper V60 Ceramic", 2290),
            ("French Press 0.6 l", 2990),
            ("Moka Pot 6 Cups", 3490),
            ("Brewer with Press 0.3 l", 3990),
            ("Chemex 6 Cups", 4990),
            ("Gooseneck Kettle", 6990),
        ],
    },
    Category {
        name: "machines",
        weight: 0.04,
        companions: &[(7, 8.0), (0, 5.0)],
        cost_ratio: 0.70,
        products: &[
            ("Hand Grinder", 5900),
            ("Electric Grinder", 14900),
            ("Filter Machine", 19900),
            ("Espresso Machine Single Boiler", 44900),
        ],
    },
    Category {
        name: "tableware",
        weight: 0.08,
        companions: &[(5, 4.0), (1, 1.5), (6, 1.0)],
        cost_ratio: 0.40,
        products: &[
            ("Espresso Cup", 990),
            ("Cappuccino Cup", 1290),
            ("Stoneware Mug", 1690),
            ("Travel Mug", 2790),
            ("Tea Pot 1 l", 3990),
        ],
    },
    Category {
        name: "sweets",
        weight: 0.07,
        companions: &[(1, 3.0), (0, 2.0), (6, 2.0)],
        cost_ratio: 0.50,
        products: &[
            ("Chocolate Dark 70 %", 390),
            ("Almond Biscuits", 490),
            ("Linden Honey 250 g", 790),
            ("Caramel Spread", 890),
            ("Pralines, Box of 16", 1890),
        ],
    },
    Category {
        name: "care",
        weight: 0.04,
        companions: &[(0, 2.0), (7, 2.0)],
        cost_ratio: 0.35,
        products: &[
            ("Cleaning Brush", 490),
            ("Descaler 250 ml", 790),
            ("Cleaning Tablets, 20 pieces", 1290),
            ("Water Filter Cartridge", 1590),
        ],
    },
];

impl Product {
    /// Every product, in the order of the catalogue.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        CATEGORIES.iter().enumerate().flat_map(|(category, group)| {
            (0..group.products.len()).map(move |place| Self {
                category: category as u8,
                place: place as u8,
            })
        })
    }

    /// The identifier by which the shop knows it.
    pub(crate) fn id(self) -> String {
        format!("P{}{:02}", self.category + 1, self.place + 1)
    }

    pub(crate) fn category(self) -> &'static Category {
        &CATEGORIES[usize::from(self.category)]
    }

    pub(crate) fn name(self) -> &'static str {
        self.entry().0
    }

    /// Its price in cents of the given currency. Dollar prices are a tenth higher, rounded to end in 9.
    pub(crate) fn price(self, currency: &str) -> i64 {
        let euros = self.entry().1;
        if currency == "USD" {
            euros * 11 / 100 * 10 + 9
        } else {
            euros
        }
    }

    /// A product that somebody looks at or buys who has about `budget` cents for it and, perhaps, a companion for
    /// the product that is in the basket already.
    pub(crate) fn choose(chance: &mut Chance, beside: Option<Self>, budget: f64) -> Self {
        let companions = beside
            .map(|product| product.category().companions)
            .unwrap_or_default();
        let category = if !companions.is_empty() && chance.happens(0.62) {
            chance.weighted(companions, |(_, strength)| *strength).0
        } else {
            let positions: [usize; CATEGORIES.len()] = std::array::from_fn(|index| index);
            *chance.weighted(&positions, |index| {
                CATEGORIES[*index].weight * reachable(*index, budget)
            })
        };
        let places: Vec<usize> = (0..CATEGORIES[category].products.len()).collect();
        let place = *chance.weighted(&places, |place| {
            nearness(CATEGORIES[category].products[*place].1, budget)
        });
        Self {
            category: category as u8,
            place: place as u8,
        }
    }

    fn entry(self) -> (&'static str, i64) {
        self.category().products[usize::from(self.place)]
    }
}

/// Nobody with twenty euros begins a basket with an espresso machine.
fn reachable(category: usize, budget: f64) -> f64 {
    CATEGORIES[category]
        .products
        .iter()
        .map(|(_, cents)| nearness(*cents, budget))
        .fold(0.0, f64::max)
}

/// How well a price goes with a budget: 1 where they are equal, a tenth where they are three times apart.
fn nearness(cents: i64, budget: f64) -> f64 {
    let apart = (cents as f64 / budget.max(1.0)).ln();
    (-1.9 * apart * apart).exp() + 1e-4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_sorted_and_its_companions_exist() {
        for category in &CATEGORIES {
            assert!(
                category.products.is_sorted_by_key(|(_, cents)| *cents),
                "{}",
                category.name
            );
            assert!(
                category
                    .companions
                    .iter()
                    .all(|(position, _)| *position < CATEGORIES.len())
            );
        }
        let mut ids: Vec<String> = Product::all().map(Product::id).collect();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn larger_budgets_buy_dearer_products() {
        let mut chance = Chance::new(1, crate::random::Purpose::Life, 1);
        let mut mean = |budget| {
            (0..2_000)
                .map(|_| Product::choose(&mut chance, None, budget).price("EUR"))
                .sum::<i64>()
                / 2_000
        };
        let (small, large) = (mean(800.0), mean(6_000.0));
        assert!(small * 2 < large, "{small} and {large}");
    }
}
