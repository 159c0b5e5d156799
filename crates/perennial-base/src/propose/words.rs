//! What columns are called, in several spellings and languages, and what their values look like.

use super::moments::{TimeForm, moment_like, moment_rank, of_another, time_form};
use super::{ColumnFacts, ColumnShape, FolderFacts};

/// What a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Concept {
    // Who.
    Email,
    Phone,
    UserId,
    CrmId,
    NationalId,
    AnonymousId,
    // What a person is like.
    Trait(&'static str),
    // What happened.
    Amount,
    Currency,
    Status,
    Channel,
    Campaign,
    Discount,
    Cost,
    OrderId,
    ProductId,
    Category,
    Quantity,
    UnitPrice,
    SubscriptionId,
    Plan,
    Mrr,
    Survey,
    Score,
    Comment,
    EventName,
    Purpose,
    Granted,
    Rate,
    Topic,
    Direction,
    Outcome,
    Sentiment,
    // When.
    Occurred,
    Updated,
    // A key that means nothing elsewhere.
    Key,
}

// One concept a paragraph reads better than one name a line.
#[rustfmt::skip]
pub(super) const NAMES: &[(Concept, &[&str])] = &[
    (Concept::Email, &[
        "email", "e_mail", "mail", "email_address", "emailaddress", "customer_email", "user_email",
        "contact_email", "billing_email", "requester_email", "recipient", "email_adresse", "mailadresse"
    ]),
    (Concept::Phone, &[
        "phone", "phone_number", "phonenumber", "mobile", "mobile_phone", "cell", "tel", "telephone",
        "telefon", "telefonnummer", "handy", "handynummer", "mobil", "rufnummer", "msisdn", "customer_phone"
    ]),
    (Concept::UserId, &[
        "user_id", "userid", "uid", "customer_id", "customerid", "cust_id", "client_id", "member_id",
        "account_id", "person_id", "buyer_id", "shopper_id", "customer_number", "customer_no", "customer",
        "kunden_id", "kundennummer", "kunden_nr", "kundennr", "kunde", "nutzer_id", "benutzer_id"
    ]),
    (Concept::CrmId, &["crm_id", "contact_id", "lead_id", "salesforce_id", "hubspot_id", "kontakt_id"]),
    (Concept::NationalId, &[
        "national_id", "ssn", "soc_sec_id", "social_security_number", "social_security_no", "nhs_number",
        "tax_id", "steuer_id", "sozialversicherungsnummer", "passport_number"
    ]),
    (Concept::AnonymousId, &[
        "anonymous_id", "anonymousid", "anon_id", "visitor_id", "cookie_id", "device_id", "client_uuid",
        "ga_client_id", "user_pseudo_id", "fingerprint", "besucher_id"
    ]),
    (Concept::Trait("first_name"), &[
        "first_name", "firstname", "fname", "given_name", "givenname", "forename", "vorname"
    ]),
    (Concept::Trait("last_name"), &[
        "last_name", "lastname", "lname", "surname", "family_name", "familyname", "nachname", "familienname"
    ]),
    (Concept::Trait("full_name"), &[
        "full_name", "fullname", "customer_name", "contact_name", "display_name", "name"
    ]),
    (Concept::Trait("birth_date"), &[
        "birth_date", "birthdate", "date_of_birth", "dob", "birthday", "geburtsdatum", "geburtstag"
    ]),
    (Concept::Trait("gender"), &["gender", "sex", "geschlecht"]),
    (Concept::Trait("company"), &["company", "company_name", "organisation", "organization", "firma"]),
    (Concept::Trait("language"), &["language", "locale", "sprache"]),
    (Concept::Trait("street"), &[
        "street", "street_address", "street_name", "address", "address_1", "address1", "address_line_1",
        "strasse", "anschrift"
    ]),
    (Concept::Trait("street_number"), &["street_number", "house_number", "hausnummer"]),
    (Concept::Trait("address_line_2"), &["address_2", "address2", "address_line_2", "adresszusatz"]),
    (Concept::Trait("city"), &["city", "town", "suburb", "ort", "stadt", "wohnort"]),
    (Concept::Trait("postcode"), &[
        "postcode", "postal_code", "postalcode", "zip", "zip_code", "zipcode", "plz", "postleitzahl"
    ]),
    (Concept::Trait("state"), &["state", "region", "province", "county", "bundesland"]),
    (Concept::Trait("country"), &["country", "country_code", "land", "laendercode"]),
    (Concept::Amount, &[
        "amount", "total", "total_amount", "order_total", "order_value", "order_amount", "grand_total",
        "total_price", "revenue", "value", "price", "sales", "net_amount", "gross_amount", "refund_amount",
        "amount_paid", "total_paid", "amount_refunded", "amount_spent",
        "spend", "betrag", "summe", "umsatz", "gesamtbetrag", "gesamtpreis", "bestellwert", "kosten",
        "ausgaben"
    ]),
    (Concept::Currency, &["currency", "currency_code", "ccy", "iso_currency", "waehrung"]),
    (Concept::Status, &[
        "status", "order_status", "state", "payment_status", "financial_status", "zustand", "bestellstatus"
    ]),
    (Concept::Channel, &[
        "channel", "utm_source", "source_channel", "marketing_channel", "sales_channel", "medium", "kanal",
        "vertriebskanal"
    ]),
    (Concept::Campaign, &["campaign", "utm_campaign", "campaign_name", "kampagne"]),
    (Concept::Discount, &["discount", "discount_amount", "total_discount", "total_discounts", "rabatt"]),
    (Concept::Cost, &["cost", "costs", "cogs", "cost_of_goods", "einkaufspreis"]),
    (Concept::OrderId, &[
        "order_id", "orderid", "order_number", "order_no", "invoice_id", "transaction_id", "bestell_id",
        "bestellnummer", "auftragsnummer"
    ]),
    (Concept::ProductId, &[
        "product_id", "productid", "sku", "item_id", "article_id", "product", "artikelnummer", "artikel_id",
        "produkt_id"
    ]),
    (Concept::Category, &["category", "product_category", "kategorie", "warengruppe"]),
    (Concept::Quantity, &["quantity", "qty", "units", "menge", "anzahl", "stueckzahl"]),
    (Concept::UnitPrice, &[
        "unit_price", "unitprice", "price_per_unit", "item_price", "price", "einzelpreis", "stueckpreis",
        "preis"
    ]),
    (Concept::SubscriptionId, &[
        "subscription_id", "subscriptionid", "contract_id", "abo_id", "vertrag_id", "vertragsnummer"
    ]),
    (Concept::Plan, &["plan", "plan_name", "plan_id", "tier", "tarif", "abo"]),
    (Concept::Mrr, &[
        "mrr", "monthly_recurring_revenue", "monthly_amount", "monthly_price", "monatspreis", "monatsbetrag"
    ]),
    (Concept::Survey, &["survey", "survey_type", "survey_name", "question", "umfrage"]),
    (Concept::Score, &[
        "score", "nps", "nps_score", "csat", "csat_score", "ces", "rating", "answer", "bewertung", "punkte"
    ]),
    (Concept::Comment, &["comment", "comments", "feedback", "verbatim", "kommentar"]),
    (Concept::EventName, &[
        "event", "event_name", "eventname", "event_type", "action", "activity", "ereignis", "aktion",
        "name", "type"
    ]),
    (Concept::Purpose, &["purpose", "consent_type", "consent_purpose", "zweck"]),
    (Concept::Granted, &[
        "granted", "consent", "consented", "opt_in", "opted_in", "accepted", "einwilligung", "zustimmung"
    ]),
    (Concept::Rate, &["rate", "exchange_rate", "fx_rate", "kurs", "wechselkurs"]),
    (Concept::Topic, &[
        "topic", "issue", "issue_type", "ticket_type", "contact_reason", "reason", "thema", "anliegen"
    ]),
    (Concept::Direction, &["direction", "inbound_outbound", "richtung"]),
    (Concept::Outcome, &["outcome", "resolution", "result", "ergebnis"]),
    (Concept::Sentiment, &["sentiment", "mood", "stimmung"]),
    (Concept::Occurred, &[
        "time", "timestamp", "ts", "date", "datetime", "created_at", "created", "created_on",
        "creation_date", "createdate", "create_date", "created_date", "date_created", "occurred_at", "event_time", "event_timestamp", "event_at", "happened_at",
        "order_date", "ordered_at", "ordered_on", "purchased_at", "purchased_on", "purchase_date",
        "invoice_date", "transaction_date", "refunded_at", "answered_at", "responded_at", "submitted_at",
        "at", "opened_at", "original_timestamp", "started_at", "started_on", "start_date", "starts_at", "changed_at", "valid_from",
        "effective_date", "effective_from", "startdatum", "beginn", "signup_date", "signed_up_at",
        "registered_at", "day", "datum", "zeit", "zeitpunkt", "zeitstempel", "bestelldatum", "kaufdatum",
        "erstellt_am", "angelegt_am", "tag"
    ]),
    (Concept::Updated, &[
        "updated_at", "updated", "updated_on", "modified_at", "modified", "modified_on", "last_modified",
        "last_updated", "last_update", "system_modstamp", "aktualisiert_am", "geaendert_am"
    ]),
    (Concept::Key, &[
        "id", "rec_id", "record_id", "unique_id", "row_id", "key", "record_key", "uuid", "guid", "pk",
        "event_id", "insert_id", "ticket_id", "conversation_id", "response_id", "survey_id", "refund_id", "consent_id", "interaction_id",
        "message_id", "line_id", "order_item_id", "nr", "nummer"
    ]),
];

/// The name in lower case with single `_` between its words; `customerId` and `Kunden-Nr.` become `customer_id`
/// and `kunden_nr`, umlauts two letters.
pub(super) fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len() + 4);
    let mut previous_lower = false;
    for c in name.chars() {
        if c.is_uppercase() && previous_lower {
            plain.push('_');
        }
        previous_lower = c.is_lowercase() || c.is_ascii_digit();
        for lower in c.to_lowercase() {
            match lower {
                'ä' => plain.push_str("ae"),
                'ö' => plain.push_str("oe"),
                'ü' => plain.push_str("ue"),
                'ß' => plain.push_str("ss"),
                c if c.is_ascii_alphanumeric() => plain.push(c),
                _ if plain.ends_with('_') || plain.is_empty() => {}
                _ => plain.push('_'),
            }
        }
    }
    plain.trim_end_matches('_').to_owned()
}

/// A column whose plain name is `name`, in hundredths: the name without its ending.
pub(super) fn without_cents(name: &str) -> Option<&str> {
    ["_in_cents", "_cents", "_cent", "_in_cent", "_minor"]
        .into_iter()
        .find_map(|ending| name.strip_suffix(ending))
}

/// What the columns of a folder may say. Of several moments the one at which the rows happened comes first.
pub(super) fn of_folder(facts: &FolderFacts) -> Vec<(Concept, &str)> {
    let mut found: Vec<(Concept, &ColumnFacts)> = facts
        .columns
        .iter()
        .flat_map(|column| concepts(column).into_iter().map(move |concept| (concept, column)))
        .collect();
    // An id that is an address is one, where no other column has them.
    if !found.iter().any(|(concept, _)| *concept == Concept::Email) {
        for (concept, column) in &mut found {
            if *concept == Concept::UserId && mostly(column, email_like) {
                *concept = Concept::Email;
            }
        }
    }
    let moment = |concept: &Concept| matches!(concept, Concept::Occurred | Concept::Updated);
    if !found.iter().any(|(concept, _)| moment(concept)) {
        // Whatever it is called, it is the only moment there is.
        let born = |column: &ColumnFacts| {
            found
                .iter()
                .any(|(concept, other)| *concept == Concept::Trait("birth_date") && other.name == column.name)
        };
        let native = |column: &&ColumnFacts| {
            time_form(column) == Some(TimeForm::Native) && !born(column) && !of_another(&plain(&column.name))
        };
        let mut moments = facts.columns.iter().filter(native);
        if let (Some(only), None) = (moments.next(), moments.next()) {
            found.push((Concept::Occurred, only));
        }
    }
    found.sort_by_key(|(concept, column)| match concept {
        Concept::Occurred => moment_rank(column),
        _ => 0,
    });
    found
        .into_iter()
        .map(|(concept, column)| (concept, column.name.as_str()))
        .collect()
}

/// What the column may say, by name and values; more than one where a word means several things.
pub(super) fn concepts(column: &ColumnFacts) -> Vec<Concept> {
    if matches!(column.shape, ColumnShape::Binary | ColumnShape::Nested) {
        return Vec::new();
    }
    let name = plain(&column.name);
    let mut found: Vec<Concept> = NAMES
        .iter()
        .filter(|(_, names)| names.contains(&name.as_str()))
        .map(|(concept, _)| *concept)
        .filter(|concept| fits(*concept, column))
        .collect();
    if column.shape == ColumnShape::Int
        && let Some(base) = without_cents(&name)
    {
        let money = [
            Concept::Amount,
            Concept::UnitPrice,
            Concept::Mrr,
            Concept::Discount,
            Concept::Cost,
        ];
        let named = NAMES
            .iter()
            .filter(|(concept, names)| money.contains(concept) && names.contains(&base));
        found.extend(named.map(|(concept, _)| *concept));
    }
    if found.is_empty()
        && let Some(moment) = moment_like(&name)
        && time_form(column).is_some()
    {
        found.push(moment);
    }
    if found.is_empty() && mostly(column, email_like) {
        found.push(Concept::Email);
    }
    if found.is_empty() && mostly(column, |text| text.starts_with('+') && phone_like(text)) {
        found.push(Concept::Phone);
    }
    found
}

/// Whether the values can be what the name says.
fn fits(concept: Concept, column: &ColumnFacts) -> bool {
    let shape = column.shape;
    let numeric = matches!(
        shape,
        ColumnShape::Int | ColumnShape::Float | ColumnShape::Decimal
    ) || (shape == ColumnShape::Text
        && mostly(column, |text| text.parse::<f64>().is_ok_and(f64::is_finite)));
    match concept {
        Concept::Email => mostly(column, email_like) || column.samples.is_empty(),
        Concept::Phone => {
            shape == ColumnShape::Int || mostly(column, phone_like) || column.samples.is_empty()
        }
        Concept::Amount
        | Concept::Discount
        | Concept::Cost
        | Concept::Quantity
        | Concept::UnitPrice
        | Concept::Mrr
        | Concept::Rate => numeric,
        Concept::Score => numeric && within_scale(column),
        Concept::Granted => match shape {
            ColumnShape::Bool => true,
            ColumnShape::Int | ColumnShape::Text => mostly(column, yes_or_no),
            _ => false,
        },
        Concept::Occurred | Concept::Updated => time_form(column).is_some(),
        Concept::Currency => mostly(column, currency_like) || column.samples.is_empty(),
        // An address is one, whatever it is called.
        Concept::CrmId | Concept::AnonymousId if mostly(column, email_like) => false,
        // A person's name is no id.
        Concept::UserId if ["customer", "kunde"].contains(&plain(&column.name).as_str()) => {
            shape == ColumnShape::Int || mostly(column, id_like)
        }
        Concept::UserId
        | Concept::CrmId
        | Concept::NationalId
        | Concept::AnonymousId
        | Concept::OrderId
        | Concept::ProductId
        | Concept::SubscriptionId
        | Concept::Key => matches!(shape, ColumnShape::Text | ColumnShape::Int),
        Concept::Trait("birth_date") => !matches!(shape, ColumnShape::Bool | ColumnShape::Float),
        Concept::Trait(_) => matches!(shape, ColumnShape::Text | ColumnShape::Int),
        _ => shape == ColumnShape::Text,
    }
}

/// Whether four in five of the samples that are not blank pass, and there are some.
pub(super) fn mostly(column: &ColumnFacts, test: impl Fn(&str) -> bool) -> bool {
    let samples: Vec<&str> = column
        .samples
        .iter()
        .map(|text| text.trim())
        .filter(|text| !text.is_empty())
        .collect();
    let passed = samples.iter().filter(|text| test(text)).count();
    !samples.is_empty() && passed * 5 >= samples.len() * 4
}

fn email_like(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && host.contains('.') && !host.contains('@') && !text.contains(char::is_whitespace)
    })
}

/// A word with digits in it.
fn id_like(text: &str) -> bool {
    !text.contains(char::is_whitespace) && text.bytes().any(|byte| byte.is_ascii_digit())
}

fn phone_like(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (6..=15).contains(&digits) && text.chars().all(|c| c.is_ascii_digit() || "+()-/. ".contains(c))
}

pub(super) fn currency_like(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Whether a text is one that Postgres reads as a boolean.
fn yes_or_no(text: &str) -> bool {
    const WORDS: [&str; 12] = [
        "true", "t", "yes", "y", "on", "1", "false", "f", "no", "n", "off", "0",
    ];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Whether no value lies outside of 0 to 10, or hardly any: a few answers that are none are bad rows.
fn within_scale(column: &ColumnFacts) -> bool {
    let within = |text: &str| {
        text.parse::<f64>()
            .is_ok_and(|number| (0.0..=10.0).contains(&number))
    };
    let bounds = [&column.min, &column.max];
    bounds.into_iter().flatten().all(|text| within(text)) || mostly(column, within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::propose::tests::column;

    #[test]
    fn names_become_plain() {
        for (name, expected) in [
            ("customerId", "customer_id"),
            ("Kunden-Nr.", "kunden_nr"),
            ("Währung", "waehrung"),
            ("E-Mail", "e_mail"),
            ("utm source", "utm_source"),
            ("ID", "id"),
            ("☃", ""),
        ] {
            assert_eq!(plain(name), expected);
        }
    }

    #[test]
    fn values_tell_what_a_name_leaves_open() {
        let column = |name, shape, samples: &[&str], max: &str| ColumnFacts {
            max: Some(max.to_owned()),
            ..column(name, shape, samples).0
        };
        let text = |name, samples| concepts(&column(name, ColumnShape::Text, samples, "z"));
        for name in ["who", "contact_id", "visitor_id"] {
            assert_eq!(
                text(name, &["a@example.org", "b@example.org"]),
                [Concept::Email],
                "{name}"
            );
        }
        assert_eq!(text("customer", &["C-17"]), [Concept::UserId]);
        assert_eq!(text("consent", &["Y", "n"]), [Concept::Granted]);
        assert_eq!(text("consent", &["by phone", "by letter"]), []);
        let score = |samples: &[&str], max| concepts(&column("score", ColumnShape::Int, samples, max));
        assert_eq!(score(&["10", "9", "7", "0", "11"], "11"), [Concept::Score]);
        assert_eq!(score(&["10", "35", "71", "0", "88"], "99"), []);
    }

    #[test]
    fn shapes_of_values() {
        assert!(email_like("a.b@example.org") && !email_like("@home") && !email_like("a b@example.org"));
        assert!(phone_like("+49 (30) 1234-567") && !phone_like("12") && !phone_like("call me 123456"));
    }
}
