//! Where customers live, and what people and streets of the phone book are called there.

/// A country that the demo business sells to.
#[derive(Debug)]
pub(crate) struct Country {
    /// ISO 3166-1 alpha-2.
    pub(crate) code: &'static str,
    /// Its share of the customers.
    pub(crate) share: f64,
    /// What its customers pay in.
    pub(crate) currency: &'static str,
    /// The calling code, without the plus sign.
    pub(crate) calling_code: &'static str,
    /// Mobile prefixes without the trunk zero, and a filler so that seven more digits complete the number.
    pub(crate) mobile_prefixes: &'static [&'static str],
    pub(crate) first_names: &'static [&'static str],
    pub(crate) last_names: &'static [&'static str],
    /// Cities, largest first.
    pub(crate) cities: &'static [&'static str],
}

/// The countries, home market first.
// One name a line would be four hundred lines.
#[rustfmt::skip]
pub(crate) const COUNTRIES: [Country; 6] = [
    Country {
        code: "DE",
        share: 0.46,
        currency: "EUR",
        calling_code: "49",
        mobile_prefixes: &["1512", "1520", "1573", "1590", "1601", "1705", "1723", "1761"],
        first_names: &[
            "Anna", "Lena", "Marie", "Sophie", "Lea", "Emma", "Mia", "Hannah", "Laura", "Julia", "Sarah", "Katharina",
            "Sabine", "Petra", "Ursula", "Claudia", "Käthe", "Jana", "Nele", "Frieda", "Ayşe", "Elif", "Lukas",
            "Leon", "Paul", "Jonas", "Finn", "Maximilian", "Felix", "Tim", "Jürgen", "Thomas", "Michael", "Stefan",
            "Andreas", "Jörg", "Björn", "Sören", "Matthias", "Jan", "Mehmet", "Oskar",
        ],
        last_names: &[
            "Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker", "Schulz", "Hoffmann",
            "Schäfer", "Koch", "Bauer", "Richter", "Klein", "Wolf", "Schröder", "Neumann", "Schwarz", "Zimmermann",
            "Braun", "Krüger", "Hofmann", "Hartmann", "Lange", "Werner", "Krause", "Lehmann", "Köhler", "Maier",
            "Yılmaz", "Kaya", "Vogel", "Friedrich", "Keller", "Günther", "Frank", "Berger", "Winkler", "Roth",
        ],
        cities: &[
            "Berlin", "Hamburg", "München", "Köln", "Frankfurt am Main", "Stuttgart", "Düsseldorf", "Leipzig",
            "Dortmund", "Bremen", "Dresden", "Hannover", "Nürnberg", "Münster", "Freiburg", "Kiel",
        ],
    },
    Country {
        code: "AT",
        share: 0.09,
        currency: "EUR",
        calling_code: "43",
        mobile_prefixes: &["660", "664", "676", "699"],
        first_names: &[
            "Anna", "Magdalena", "Theresa", "Lisa", "Katharina", "Eva", "Johanna", "Valentina", "Lukas", "Tobias",
            "David", "Jakob", "Florian", "Sebastian", "Stefan", "Markus",
        ],
        last_names: &[
            "Gruber", "Huber", "Bauer", "Wagner", "Müller", "Pichler", "Steiner", "Moser", "Mayer", "Hofer", "Leitner",
            "Berger", "Fuchs", "Eder", "Fischer", "Schmid",
        ],
        cities: &["Wien", "Graz", "Linz", "Salzburg", "Innsbruck", "Klagenfurt"],
    },
    Country {
        code: "FR",
        share: 0.14,
        currency: "EUR",
        calling_code: "33",
        mobile_prefixes: &["61", "62", "66", "68", "76", "78"],
        first_names: &[
            "Camille", "Léa", "Manon", "Chloé", "Inès", "Zoé", "Élodie", "Aurélie", "Isabelle", "Hélène", "Louis",
            "Hugo", "Lucas", "Gabriel", "Jules", "François", "Étienne", "Benoît", "Thomas", "Nicolas",
        ],
        last_names: &[
            "Martin", "Bernard", "Dubois", "Thomas", "Robert", "Richard", "Petit", "Durand", "Leroy", "Moreau",
            "Simon", "Laurent", "Lefèvre", "Michel", "Garcia", "Fournier", "Girard", "André", "Mercier", "Benoît",
        ],
        cities: &["Paris", "Lyon", "Marseille", "Toulouse", "Nantes", "Lille", "Bordeaux", "Strasbourg"],
    },
    Country {
        code: "NL",
        share: 0.11,
        currency: "EUR",
        calling_code: "31",
        mobile_prefixes: &["61", "62", "63", "64", "65"],
        first_names: &[
            "Emma", "Julia", "Sanne", "Fleur", "Anouk", "Lotte", "Femke", "Maaike", "Daan", "Sem", "Bram", "Thijs",
            "Jeroen", "Sander", "Maarten", "Pieter",
        ],
        last_names: &[
            "de Jong", "Jansen", "de Vries", "van den Berg", "Bakker", "van Dijk", "Visser", "Smit", "Meijer",
            "de Boer", "Mulder", "de Groot", "Bos", "Vos", "Peters", "Hendriks",
        ],
        cities: &["Amsterdam", "Rotterdam", "Den Haag", "Utrecht", "Eindhoven", "Groningen"],
    },
    Country {
        code: "ES",
        share: 0.08,
        currency: "EUR",
        calling_code: "34",
        mobile_prefixes: &["61", "62", "65", "66", "69"],
        first_names: &[
            "Lucía", "María", "Paula", "Sofía", "Carmen", "Inés", "Marta", "Elena", "Hugo", "Mateo", "Martín", "Pablo",
            "Álvaro", "José", "Adrián", "Iñaki",
        ],
        last_names: &[
            "García", "Rodríguez", "González", "Fernández", "López", "Martínez", "Sánchez", "Pérez", "Gómez", "Martín",
            "Jiménez", "Ruiz", "Hernández", "Díaz", "Moreno", "Muñoz",
        ],
        cities: &["Madrid", "Barcelona", "Valencia", "Sevilla", "Bilbao", "Málaga"],
    },
    Country {
        code: "US",
        share: 0.12,
        currency: "USD",
        calling_code: "1",
        mobile_prefixes: &["212", "312", "415", "512", "617", "206"],
        first_names: &[
            "Emily", "Olivia", "Ava", "Jessica", "Ashley", "Jennifer", "Linda", "Grace", "Chloe", "Sofia", "James",
            "Robert", "John", "Michael", "William", "David", "Ethan", "Noah", "Daniel", "Tyler",
        ],
        last_names: &[
            "Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez",
            "Wilson", "Anderson", "Taylor", "Moore", "Jackson", "Lee", "Thompson", "White", "Harris", "Clark",
        ],
        cities: &["New York", "Chicago", "Los Angeles", "San Francisco", "Austin", "Boston", "Seattle", "Denver"],
    },
];

/// The providers of mailboxes and how many customers use each. Only the first ignores dots and tags, and only it is
/// a real one: all others are under the top-level domain that is reserved for examples.
pub(crate) const MAIL_PROVIDERS: [(&str, f64); 8] = [
    ("gmail.com", 0.42),
    ("googlemail.com", 0.02),
    ("postfach.example", 0.17),
    ("webmail.example", 0.15),
    ("telemail.example", 0.09),
    ("courrier.example", 0.06),
    ("inbox.example", 0.05),
    ("mail.example", 0.04),
];

/// Small companies whose staff all order from one mailbox.
pub(crate) const SHARED_MAILBOXES: [&str; 4] = [
    "info@kontor-nord.example",
    "info@praxis-am-park.example",
    "office@studio-linde.example",
    "info@atelier-rivage.example",
];

/// Lower-case ASCII letters of a name, as people write it where an umlaut or an accent is not allowed.
pub(crate) fn ascii(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    for c in name.chars().flat_map(char::to_lowercase) {
        match c {
            'ä' => out.push_str("ae"),
            'ö' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'á' => out.push('a'),
            'é' | 'è' => out.push('e'),
            'í' | 'î' | 'ı' => out.push('i'),
            'ó' => out.push('o'),
            'ú' => out.push('u'),
            'ç' => out.push('c'),
            'ñ' => out.push('n'),
            'ş' => out.push('s'),
            'a'..='z' => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_plain_spelling() {
        for country in &COUNTRIES {
            for name in country.first_names.iter().chain(country.last_names) {
                let letters = name.chars().filter(|c| c.is_alphabetic()).count();
                assert!(ascii(name).len() >= letters, "{name} became {}", ascii(name));
            }
        }
        assert_eq!(ascii("Jürgen"), "juergen");
        assert_eq!(ascii("van den Berg"), "vandenberg");
    }

    #[test]
    fn shares_add_up() {
        let countries: f64 = COUNTRIES.iter().map(|country| country.share).sum();
        let providers: f64 = MAIL_PROVIDERS.iter().map(|(_, share)| share).sum();
        assert!((countries - 1.0).abs() < 1e-9 && (providers - 1.0).abs() < 1e-9);
    }
}
