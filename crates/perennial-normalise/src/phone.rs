//! Telephone numbers.
//!
//! # Definition
//! The number in E.164 (`+4930123456`), by the rules of Google's libphonenumber as the `phonenumber` crate carries
//! them. A number that begins with `+`, or with the international prefix 00, says its country itself; any other is
//! read as dialled within the default region. Text is a number when its country's numbering plan has such numbers;
//! anything else has no normal form, among it runs of zeros and numbers that are too short. An extension is dropped:
//! it belongs to a line, not to a customer.
//!
//! # Cost
//! Half a microsecond for numbers that are dialled plainly, some microseconds for others, most of them in regular
//! expressions behind one lock for the whole process.

mod plan;

use std::{borrow::Cow, str::FromStr};

use phonenumber::{Mode, PhoneNumber, country};
use plan::Dialled;

use crate::{
    error::{Error, Result},
    fold,
};

/// A region with a telephone numbering plan, by its code of ISO 3166-1 (`DE`, `US`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region(country::Id);

impl Region {
    /// The region's two-letter code.
    pub fn code(&self) -> &str {
        self.0.as_ref()
    }
}

impl FromStr for Region {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.trim()
            .to_ascii_uppercase()
            .parse()
            .map(Self)
            .map_err(|_| Error::UnknownRegion {
                region: text.to_owned(),
            })
    }
}

/// The most that is looked at, in bytes: a number with all its decoration is a third of it.
const LONGEST: usize = 80;

/// The fewest and the most digits of a text with a number in it: the most leaves room for an international prefix, a
/// national zero and an extension.
const DIGITS: std::ops::RangeInclusive<usize> = 5..=28;

/// The number in E.164, or `None` when `text` is not a number of any numbering plan. Borrows when `text` contains its
/// normal form.
pub fn normalise(text: &str, region: Region) -> Option<Cow<'_, str>> {
    let folded = fold::compatible(text);
    let digits = folded.chars().filter(char::is_ascii_digit).count();
    if folded.len() > LONGEST || !DIGITS.contains(&digits) {
        return None;
    }
    let normal = match plan::dialled(&folded, region.code()) {
        Some(Dialled::Number(normal)) => normal,
        Some(Dialled::Invalid) => return None,
        None => parsed(&folded, region)?,
    };
    match folded {
        Cow::Borrowed(text) if text == normal => Some(Cow::Borrowed(text)),
        _ => Some(Cow::Owned(normal)),
    }
}

/// As the crate has it.
fn parsed(text: &str, region: Region) -> Option<String> {
    let number = parse(text, region)?;
    Some(number.format().mode(Mode::E164).to_string())
}

fn parse(text: &str, region: Region) -> Option<PhoneNumber> {
    // With a default region the crate strips that region's trunk prefix from foreign numbers as well, which cuts the
    // significant zero of an Italian landline. Hence a number that names its country is read without a region.
    let number = if text.starts_with('+') {
        phonenumber::parse(None, text)
    } else {
        match phonenumber::parse(Some(region.0), text) {
            Ok(number) if number.code().source() == country::Source::Idd => match text.strip_prefix("00") {
                Some(rest) => phonenumber::parse(None, format!("+{rest}")),
                None => Ok(number),
            },
            number => number,
        }
    };
    number.ok().filter(PhoneNumber::is_valid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(region: &str, text: &str, expected: Option<&str>) {
        let region: Region = region.parse().unwrap();
        assert_eq!(
            normalise(text, region).as_deref(),
            expected,
            "{region:?} {text:?}"
        );
    }

    #[test]
    fn spellings_of_one_number() {
        for text in [
            "+4930123456",
            "+49 30 123456",
            "0049 30 123456",
            "030/123456",
            "030 - 123 456",
            "(030) 123456",
            "+49 (0) 30 123456",
            "tel:+49-30-123456",
            " 030 123456 ",
            "\u{202A}+49 30 123456\u{202C}",
            "＋４９ ３０ １２３４５６",
            "030\u{A0}123456",
            "030 123456 ext. 12",
        ] {
            check("DE", text, Some("+4930123456"));
        }
    }

    // Expected values: the numbering plans as Google's libphonenumber demo formats these numbers.
    #[test]
    fn numbers_of_many_regions() {
        check("US", "(650) 253-0000", Some("+16502530000"));
        check("US", "1-650-253-0000", Some("+16502530000"));
        check("US", "011 44 20 7031 3000", Some("+442070313000"));
        check("GB", "020 7031 3000", Some("+442070313000"));
        check("GB", "07912 345678", Some("+447912345678"));
        check("FR", "06 12 34 56 78", Some("+33612345678"));
        check("IT", "06 6982", Some("+39066982"));
        check("AT", "0664 1234567", Some("+436641234567"));
        check("DE", "+1 650 253 0000", Some("+16502530000"));
        check("DE", "0015 650 253 0000", None);
        check("DE", "001 650 253 0000", Some("+16502530000"));
        check("DE", "0151 23456789", Some("+4915123456789"));
    }

    #[test]
    fn a_significant_zero_of_another_country_stays() {
        check("DE", "+39 06 6982", Some("+39066982"));
        check("DE", "0039 06 6982", Some("+39066982"));
        check("IT", "0049 30 123456", Some("+4930123456"));
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            "",
            " ",
            "phone",
            "12",
            "0000000000",
            "000000",
            "n/a",
            "+",
            "+49",
            "+999 123456789",
            "jane@example.com",
            "123456789012345678901234567890",
            "+49 30 123456 or +49 30 654321 or +49 30 777777",
        ] {
            check("DE", text, None);
        }
        check("DE", &"0".repeat(10_000), None);
    }

    #[test]
    fn normal_text_is_borrowed() {
        let region: Region = "de".parse().unwrap();
        assert!(matches!(
            normalise(" +4930123456 ", region),
            Some(Cow::Borrowed("+4930123456"))
        ));
        assert_eq!(region.code(), "DE");
    }

    #[test]
    fn an_unknown_region_is_an_error() {
        for region in ["", "XX", "Germany", "49"] {
            assert_eq!(
                region.parse::<Region>(),
                Err(Error::UnknownRegion {
                    region: region.to_owned()
                })
            );
        }
    }

    /// A number dialled plainly in a region is what the crate says. Numbers of every plan: the example of each kind with
    /// some digits changed, cut or added, dialled in every way.
    #[test]
    fn plainly_dialled_numbers_are_those_of_the_crate() {
        let mut random = 0x5eed_u64;
        let mut dice = move |sides: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % sides
        };
        let homes = ["DE", "US", "GB", "IT", "FR", "BR", "RU", "AU", "SG", "KZ"];
        let (mut plain, mut valid) = (0, 0);
        for metadata in phonenumber::metadata::DATABASE.iter() {
            let code = metadata.country_code();
            let descriptors = metadata.descriptors();
            let kinds = [
                descriptors.fixed_line(),
                descriptors.mobile(),
                descriptors.toll_free(),
                descriptors.uan(),
            ];
            for example in kinds.into_iter().flatten().filter_map(|kind| kind.example()) {
                for round in 0..2 {
                    let mut digits: Vec<u8> = example.bytes().collect();
                    for _ in 0..round {
                        let place = dice(digits.len());
                        digits[place] = b'0' + dice(10) as u8;
                    }
                    match dice(8) {
                        0 => digits.truncate(digits.len() - 1),
                        1 => digits.push(b'0' + dice(10) as u8),
                        _ => {}
                    }
                    let national = String::from_utf8(digits).unwrap();
                    let (home, near) = (homes[dice(homes.len())], metadata.id());
                    let (area, line) = national.split_at(national.len() / 3);
                    let prefix = metadata.national_prefix().unwrap_or("0");
                    for (region, text) in [
                        (home, format!("+{code}{national}")),
                        (home, format!("+{code} {area}-{line}")),
                        (home, format!("+{code}-{area}.{line}")),
                        (home, format!("00{code} ({area}) {line}")),
                        (home, format!("00{code}{national}")),
                        (home, format!("+{code} ({prefix}) {area}/{line}")),
                        (near, format!("{prefix}{area} {line}")),
                        (near, format!("({prefix}{area}) {line}")),
                        (near, national.clone()),
                        (near, format!("{code}{national}")),
                        (home, format!("0{national}")),
                    ] {
                        let Ok(region) = region.parse::<Region>() else {
                            continue;
                        };
                        if let Some(dialled) = plan::dialled(&text, region.code()) {
                            let expected = parsed(&text, region);
                            plain += 1;
                            valid += usize::from(expected.is_some());
                            let dialled = match dialled {
                                Dialled::Number(number) => Some(number),
                                Dialled::Invalid => None,
                            };
                            assert_eq!(dialled, expected, "{region:?} {text:?}");
                        }
                    }
                }
            }
        }
        assert!(plain > 5_000 && valid > 2_000, "{plain} {valid}");
    }

    proptest! {
        #[test]
        fn what_is_dialled_plainly_is_what_the_crate_says(
            text in r"\+?[0-9 ()/.-]{5,22}",
            region in proptest::sample::select(vec!["DE", "US", "GB", "IT", "AU", "MX", "CN"]),
        ) {
            let region: Region = region.parse().unwrap();
            if let Some(dialled) = plan::dialled(text.trim(), region.code()) {
                let dialled = match dialled {
                    Dialled::Number(number) => Some(number),
                    Dialled::Invalid => None,
                };
                prop_assert_eq!(dialled, parsed(text.trim(), region));
            }
        }

        #[test]
        fn hostile_text_has_a_normal_form_or_none(text in prop_oneof![
            any::<String>(),
            r"[+＋]{0,2}(tel:)?[0-9 ()/.x;=*#٣-]{0,40}(;phone-context=)?[+0-9A-Za-z.]{0,12}",
        ]) {
            let region: Region = "DE".parse().unwrap();
            if let Some(once) = normalise(&text, region) {
                prop_assert!(once.starts_with('+') && once.bytes().skip(1).all(|b| b.is_ascii_digit()), "{once}");
                prop_assert_eq!(normalise(&once, region).map(Cow::into_owned), Some(once.to_string()));
            }
        }
    }
}
