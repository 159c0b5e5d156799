//! Numbers in the form of a pattern, and read by one.

use datafusion::common::Result;
use perennial_base::ErrorClass;

use super::super::raised;
use super::write::ending;

/// Digits behind the point that a number is read with.
pub(super) const READ_SCALE: i8 = 10;

/// One place of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nine,
    Zero,
    Point,
    Group,
    Currency,
    /// `S`, and where it stands.
    Sign,
    Minus,
    Plus,
    PlusOrMinus,
    /// `TH`, in lower case or not.
    Ordinal(bool),
    Literal(char),
}

#[derive(Debug, Default)]
struct Pattern {
    places: Vec<Place>,
    fill: bool,
    angle: bool,
    roman: Option<bool>,
    exponent: bool,
    /// Digits behind `V`.
    shift: u32,
    before: usize,
    after: usize,
}

fn parse(pattern: &str) -> Pattern {
    let mut parsed = Pattern {
        fill: true,
        ..Pattern::default()
    };
    let (mut rest, mut point, mut shifted) = (pattern, false, false);
    while let Some(next) = rest.chars().next() {
        let upper: String = rest.chars().take(4).collect::<String>().to_ascii_uppercase();
        let mut take = next.len_utf8();
        let place = match upper.as_str() {
            "EEEE" => {
                parsed.exponent = true;
                take = 4;
                None
            }
            _ if upper.starts_with("FM") => {
                parsed.fill = false;
                take = 2;
                None
            }
            _ if upper.starts_with("PR") => {
                parsed.angle = true;
                take = 2;
                None
            }
            _ if upper.starts_with("RN") => {
                parsed.roman = Some(next.is_ascii_lowercase());
                take = 2;
                None
            }
            _ if upper.starts_with("MI") => {
                take = 2;
                Some(Place::Minus)
            }
            _ if upper.starts_with("PL") => {
                take = 2;
                Some(Place::Plus)
            }
            _ if upper.starts_with("SG") => {
                take = 2;
                Some(Place::PlusOrMinus)
            }
            _ if upper.starts_with("TH") => {
                take = 2;
                Some(Place::Ordinal(next.is_ascii_lowercase()))
            }
            _ => match next {
                '9' => Some(Place::Nine),
                '0' => Some(Place::Zero),
                '.' | 'D' | 'd' if !point => {
                    point = true;
                    Some(Place::Point)
                }
                ',' | 'G' | 'g' => Some(Place::Group),
                'L' | 'l' => Some(Place::Currency),
                'S' | 's' => Some(Place::Sign),
                'V' | 'v' => {
                    shifted = true;
                    None
                }
                '"' => {
                    let inner = rest.get(1..).unwrap_or_default();
                    let end = inner.find('"').unwrap_or(inner.len());
                    parsed
                        .places
                        .extend(inner.get(..end).unwrap_or_default().chars().map(Place::Literal));
                    take = (end + 2).min(rest.len());
                    None
                }
                other => Some(Place::Literal(other)),
            },
        };
        match place {
            Some(Place::Nine | Place::Zero) if point => parsed.after += 1,
            Some(Place::Nine | Place::Zero) => {
                parsed.before += 1;
                parsed.shift += u32::from(shifted);
            }
            _ => {}
        }
        parsed.places.extend(place);
        rest = rest.get(take..).unwrap_or_default();
    }
    parsed
}

/// The text of a number, which is given in plain decimal digits.
pub(super) fn text(number: &str, pattern: &str) -> Result<String> {
    let pattern = parse(pattern);
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number),
    };
    if let Some(lower) = pattern.roman {
        let roman = roman(digits, negative);
        let roman = if lower { roman.to_lowercase() } else { roman };
        return Ok(if pattern.fill {
            format!("{roman:>15}")
        } else {
            roman
        });
    }
    if pattern.exponent {
        return scientific(digits, negative, &pattern);
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let moved = usize::try_from(pattern.shift).unwrap_or(0);
    let mut fraction = fraction.to_owned();
    while fraction.len() < moved {
        fraction.push('0');
    }
    let (shifted, fraction) = fraction.split_at_checked(moved).unwrap_or((&fraction, ""));
    let (whole, fraction) = rounded(&format!("{whole}{shifted}"), fraction, pattern.after);
    let zero = whole.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    let negative = negative && !zero;
    Ok(placed(&whole, &fraction, negative, &pattern))
}

/// The digits before the point without leading zeros, and `after` of them behind it, rounded half away from zero.
fn rounded(whole: &str, fraction: &str, after: usize) -> (String, String) {
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(after)).collect();
    digits.resize(whole.len() + after, b'0');
    if fraction.as_bytes().get(after).is_some_and(|digit| *digit >= b'5') {
        let mut place = digits.len();
        loop {
            let Some(before) = place.checked_sub(1) else {
                digits.insert(0, b'1');
                break;
            };
            place = before;
            match digits.get_mut(place) {
                Some(digit) if *digit == b'9' => *digit = b'0',
                Some(digit) => {
                    *digit += 1;
                    break;
                }
                None => break,
            }
        }
    }
    let split = digits.len() - after;
    let (whole, fraction) = digits.split_at(split);
    let text = |digits: &[u8]| String::from_utf8_lossy(digits).into_owned();
    (text(whole).trim_start_matches('0').to_owned(), text(fraction))
}

fn placed(whole: &str, fraction: &str, negative: bool, pattern: &Pattern) -> String {
    let too_long = whole.len() > pattern.before;
    let explicit = pattern.angle
        || pattern.places.iter().any(|place| {
            matches!(
                place,
                Place::Sign | Place::Minus | Place::Plus | Place::PlusOrMinus
            )
        });
    let first_zero = pattern
        .places
        .iter()
        .filter(|place| matches!(place, Place::Nine | Place::Zero))
        .position(|place| *place == Place::Zero)
        .filter(|place| *place < pattern.before);
    // The first place before the point that has a digit. A zero is written in the last one, unless digits follow the point.
    let shown = if whole.is_empty()
        && (pattern.after == 0 || !pattern.fill && fraction.bytes().all(|digit| digit == b'0'))
    {
        1
    } else {
        whole.len()
    };
    let first_digit = pattern.before.saturating_sub(shown);
    let begins = first_zero.map_or(first_digit, |zero| zero.min(first_digit));
    // Zeros at the end that only nines stand for are left out without filling.
    let kept = if pattern.fill {
        pattern.after
    } else {
        let zeros = pattern
            .places
            .iter()
            .filter(|place| matches!(place, Place::Nine | Place::Zero))
            .skip(pattern.before)
            .enumerate()
            .filter(|(_, place)| **place == Place::Zero)
            .map(|(place, _)| place + 1)
            .last()
            .unwrap_or(0);
        zeros.max(fraction.trim_end_matches('0').len())
    };
    let sign_first = pattern.places.iter().position(|place| *place == Place::Sign);
    let digits_first = pattern
        .places
        .iter()
        .position(|place| matches!(place, Place::Nine | Place::Zero | Place::Point));
    let leading_sign = matches!((sign_first, digits_first), (Some(sign), Some(digit)) if sign < digit);
    let floating: Option<&str> = if pattern.angle {
        Some(if negative { "<" } else { " " })
    } else if leading_sign {
        Some(if negative { "-" } else { "+" })
    } else if explicit {
        None
    } else {
        Some(if negative { "-" } else { " " })
    };
    let mut out = String::new();
    let (mut seen, mut decimals, mut signed, mut point) = (0, 0, floating.is_none(), false);
    let sign = |out: &mut String, signed: &mut bool| {
        if !*signed {
            *signed = true;
            match floating {
                Some(" ") if !pattern.fill => {}
                Some(text) => out.push_str(text),
                None => {}
            }
        }
    };
    for place in &pattern.places {
        match place {
            Place::Nine | Place::Zero if point => {
                if decimals < kept {
                    out.push(if too_long {
                        '#'
                    } else {
                        fraction
                            .as_bytes()
                            .get(decimals)
                            .map_or('0', |digit| char::from(*digit))
                    });
                }
                decimals += 1;
            }
            Place::Nine | Place::Zero => {
                if too_long {
                    sign(&mut out, &mut signed);
                    out.push('#');
                } else if seen < begins {
                    if pattern.fill {
                        out.push(' ');
                    }
                } else {
                    sign(&mut out, &mut signed);
                    let place = (seen + whole.len()).checked_sub(pattern.before);
                    let digit = place.and_then(|place| whole.as_bytes().get(place));
                    out.push(digit.map_or('0', |digit| char::from(*digit)));
                }
                seen += 1;
            }
            Place::Point => {
                sign(&mut out, &mut signed);
                point = true;
                out.push('.');
            }
            Place::Group => {
                if too_long || seen > begins {
                    out.push(',');
                } else if pattern.fill {
                    out.push(' ');
                }
            }
            Place::Currency => out.push(' '),
            Place::Sign if leading_sign => {}
            Place::Sign | Place::PlusOrMinus => out.push(if negative { '-' } else { '+' }),
            Place::Minus => {
                if negative {
                    out.push('-');
                } else if pattern.fill {
                    out.push(' ');
                }
            }
            Place::Plus => {
                if !negative {
                    out.push('+');
                } else if pattern.fill {
                    out.push(' ');
                }
            }
            Place::Ordinal(lower) => {
                if !negative && pattern.after == 0 {
                    let ending = ending(whole);
                    if *lower {
                        out.push_str(ending);
                    } else {
                        out.push_str(&ending.to_uppercase());
                    }
                }
            }
            Place::Literal(character) => out.push(*character),
        }
    }
    if pattern.angle {
        if negative {
            out.push('>');
        } else if pattern.fill {
            out.push(' ');
        }
    }
    out
}

fn roman(digits: &str, negative: bool) -> String {
    const PARTS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, _) = rounded(whole, fraction, 0);
    let number: u32 = whole.parse().unwrap_or(0);
    if negative || !(1..=3999).contains(&number) {
        return "###############".to_owned();
    }
    let mut rest = number;
    let mut out = String::new();
    for (value, letters) in PARTS {
        while rest >= value {
            out.push_str(letters);
            rest -= value;
        }
    }
    out
}

fn scientific(digits: &str, negative: bool, pattern: &Pattern) -> Result<String> {
    let number: f64 = digits
        .parse()
        .map_err(|_| raised(ErrorClass::InvalidText, "invalid number"))?;
    let text = format!("{number:.*e}", pattern.after);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    let before = if negative {
        "-"
    } else if pattern.fill {
        " "
    } else {
        ""
    };
    Ok(format!("{before}{mantissa}e{sign}{:02}", exponent.abs()))
}

/// The number that a text says, in units of ten to the power of -[`READ_SCALE`].
pub(super) fn read(text: &str, pattern: &str) -> Result<Option<i128>> {
    let pattern = parse(pattern);
    if text.trim().is_empty() {
        return Err(raised(
            ErrorClass::InvalidText,
            format!("invalid input syntax for type numeric: \"{text}\""),
        ));
    }
    let negative = text.contains('-') || (pattern.angle && text.contains('<'));
    let (mut whole, mut fraction, mut point) = (0_i128, 0_i128, false);
    let (mut before, mut after) = (0, 0);
    for character in text.chars() {
        match character {
            '.' if !point && pattern.after > 0 => point = true,
            '.' => break,
            digit if digit.is_ascii_digit() => {
                let digit = i128::from(digit.to_digit(10).unwrap_or(0));
                if point {
                    if after == pattern.after || after == usize::from(READ_SCALE.unsigned_abs()) {
                        break;
                    }
                    fraction = fraction * 10 + digit;
                    after += 1;
                } else {
                    if before == pattern.before {
                        break;
                    }
                    whole = whole
                        .checked_mul(10)
                        .and_then(|whole| whole.checked_add(digit))
                        .ok_or_else(|| raised(ErrorClass::NumericOverflow, "numeric field overflow"))?;
                    before += 1;
                }
            }
            _ => {}
        }
    }
    if before + after == 0 {
        return Err(raised(
            ErrorClass::InvalidText,
            format!("invalid input syntax for type numeric: \"{}\"", text.trim()),
        ));
    }
    let scale = u32::from(READ_SCALE.unsigned_abs());
    let missing = scale - u32::try_from(after).unwrap_or(0);
    let value = whole
        .checked_mul(10_i128.pow(scale))
        .and_then(|whole| whole.checked_add(fraction * 10_i128.pow(missing)))
        .ok_or_else(|| raised(ErrorClass::NumericOverflow, "numeric field overflow"))?;
    Ok(Some(if negative { -value } else { value }))
}
