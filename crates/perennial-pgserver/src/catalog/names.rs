//! Names and identifiers of objects, as the session's search path sees them: the `reg…` types.

use perennial_base::ErrorClass;
use perennial_engine::description::DATABASE;
use perennial_engine::error::{Error, Result};

use super::builtin::{self, PG_CATALOG_OID, type_named, type_of};
use super::model::{Class, Model, Procedure};
use super::shape::PG_CATALOG;
use super::text::{qualified, quote_identifier, split_name};
use super::types::{format_builtin, type_keyword};

/// A type whose values are identifiers that read as names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegKind {
    /// `regclass`: relations and indexes.
    Class,
    /// `regtype`: types.
    Type,
    /// `regproc`: functions.
    Procedure,
    /// `regnamespace`: schemas.
    Namespace,
    /// `regrole`: roles.
    Role,
}

impl RegKind {
    /// The kind of a type's name in `pg_type`.
    pub fn of_type(name: &str) -> Option<Self> {
        Some(match name {
            "regclass" => Self::Class,
            "regtype" => Self::Type,
            "regproc" | "regprocedure" => Self::Procedure,
            "regnamespace" => Self::Namespace,
            "regrole" => Self::Role,
            _ => return None,
        })
    }

    /// The error for a name that nothing has.
    fn missing(self, name: &str) -> Error {
        let (class, what) = match self {
            Self::Class => (ErrorClass::UndefinedTable, "relation"),
            Self::Type => (ErrorClass::UndefinedObject, "type"),
            Self::Procedure => (ErrorClass::UndefinedFunction, "function"),
            Self::Namespace => (ErrorClass::UndefinedObject, "schema"),
            Self::Role => (ErrorClass::UndefinedObject, "role"),
        };
        Error::new(class, format!("{what} \"{name}\" does not exist"))
    }
}

/// The catalog through a search path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'m> {
    pub(crate) model: &'m Model,
    /// The existing schemas of the search path, without the implicit `pg_catalog`.
    pub(crate) path: &'m [String],
}

impl<'m> Names<'m> {
    /// What a text of a `reg…` type means: an identifier in digits, `-` for none, or a name.
    pub(crate) fn read(&self, kind: RegKind, text: &str) -> Result<i64> {
        let text = text.trim();
        if text == "-" {
            return Ok(0);
        }
        if let Ok(oid) = text.parse::<u32>() {
            return Ok(i64::from(oid));
        }
        self.find(kind, text)?.ok_or_else(|| kind.missing(&bare(text)))
    }

    /// The object of a name, if there is one; an error if the text is no name.
    pub(crate) fn find(&self, kind: RegKind, text: &str) -> Result<Option<i64>> {
        if kind == RegKind::Type {
            return self.type_oid(text);
        }
        let parts = split_name(text).ok_or_else(|| {
            Error::new(
                ErrorClass::InvalidArgument,
                format!("invalid name syntax: \"{text}\""),
            )
        })?;
        Ok(match (kind, parts.as_slice()) {
            (RegKind::Class, parts) => self.class_of(parts).map(|class| class.oid),
            (RegKind::Procedure, parts) => self.procedure_of(parts),
            (RegKind::Namespace, [name]) => self.model.namespace(name).map(|namespace| namespace.oid),
            (RegKind::Role, [name]) => self.model.role(name).map(|role| role.oid),
            _ => None,
        })
    }

    /// An identifier as a `reg…` type shows it: the name, with its schema where the search path does not lead to it;
    /// digits where nothing has the identifier.
    pub(crate) fn show(&self, kind: RegKind, oid: i64) -> String {
        let named = match kind {
            _ if oid == 0 => Some("-".to_owned()),
            RegKind::Class => self.model.class(oid).map(|class| self.class_name(class)),
            RegKind::Type => self.type_name(oid, None),
            RegKind::Procedure => self.procedure_name(oid),
            RegKind::Namespace => {
                let found = self
                    .model
                    .namespaces
                    .iter()
                    .find(|namespace| namespace.oid == oid);
                found.map(|namespace| quote_identifier(&namespace.name))
            }
            RegKind::Role => self
                .model
                .roles
                .iter()
                .find(|role| role.oid == oid)
                .map(|role| quote_identifier(&role.name)),
        };
        named.unwrap_or_else(|| oid.to_string())
    }

    /// The relation that a text names.
    pub(crate) fn class(&self, text: &str) -> Result<&'m Class> {
        let oid = self.read(RegKind::Class, text)?;
        self.model
            .class(oid)
            .ok_or_else(|| RegKind::Class.missing(&bare(text)))
    }

    /// Whether the bare name of a relation leads to it.
    pub(crate) fn class_is_visible(&self, class: &Class) -> bool {
        self.in_path(|namespace| self.model.class_named(namespace, &class.name))
            .is_some_and(|found| found.oid == class.oid)
    }

    /// A relation's name, with its schema unless the search path leads to it.
    pub(crate) fn class_name(&self, class: &Class) -> String {
        if self.class_is_visible(class) {
            quote_identifier(&class.name)
        } else {
            qualified(&class.schema, &class.name)
        }
    }

    /// Whether the bare name of a type leads to it; none for a type that does not exist.
    pub(crate) fn type_is_visible(&self, oid: i64) -> Option<bool> {
        if let Some(built_in) = type_of(oid) {
            return Some(
                built_in.namespace == PG_CATALOG_OID
                    || self
                        .path
                        .iter()
                        .any(|schema| schema == super::shape::INFORMATION_SCHEMA),
            );
        }
        self.model
            .class_of_type(oid)
            .map(|(class, _)| self.class_is_visible(class))
    }

    /// Whether the bare name of a function leads to it; none for one that does not exist.
    pub(crate) fn procedure_is_visible(&self, oid: i64) -> Option<bool> {
        if builtin::function_name(oid).is_some() {
            return Some(true);
        }
        let procedure = self.procedure(oid)?;
        Some(procedure.namespace == PG_CATALOG_OID || self.path.contains(&procedure.schema))
    }

    /// The function of an identifier that is not one of PostgreSQL's support functions.
    pub(crate) fn procedure(&self, oid: i64) -> Option<&'m Procedure> {
        self.model
            .procedures
            .iter()
            .find(|procedure| procedure.oid == oid)
    }

    /// A type as SQL writes it, with its modifier; none for one that does not exist.
    pub(crate) fn type_name(&self, oid: i64, modifier: Option<i64>) -> Option<String> {
        if let Some(built_in) = type_of(oid) {
            let name = format_builtin(oid, modifier)?;
            return Some(if self.type_is_visible(oid)? {
                name
            } else {
                qualified(super::shape::INFORMATION_SCHEMA, built_in.name)
            });
        }
        let (class, array) = self.model.class_of_type(oid)?;
        let name = self.class_name(class);
        Some(if array { format!("{name}[]") } else { name })
    }

    /// The first answer along the search path, before it what the session has of its own and `pg_catalog`, unless they are
    /// named in it.
    fn in_path<T>(&self, mut look: impl FnMut(i64) -> Option<T>) -> Option<T> {
        let implicit = (!self.path.iter().any(|schema| schema == PG_CATALOG)).then_some(PG_CATALOG_OID);
        let named = self
            .path
            .iter()
            .filter_map(|schema| self.model.namespace(schema))
            .map(|namespace| namespace.oid);
        let own = self.model.temporary();
        let own = own
            .filter(|own| !self.path.contains(&own.name))
            .map(|own| own.oid);
        own.into_iter().chain(implicit).chain(named).find_map(&mut look)
    }

    /// Looks a name of one to three parts up: along the search path, in its schema, or in that of the database.
    fn look_up<T>(&self, parts: &[String], mut look: impl FnMut(i64, &str) -> Option<T>) -> Option<T> {
        let schema = |name: &str| self.model.namespace(name).map(|namespace| namespace.oid);
        match parts {
            [name] => self.in_path(|namespace| look(namespace, name)),
            [within, name] => look(schema(within)?, name),
            [database, within, name] if database == DATABASE => look(schema(within)?, name),
            _ => None,
        }
    }

    fn class_of(&self, parts: &[String]) -> Option<&'m Class> {
        self.look_up(parts, |namespace, name| self.model.class_named(namespace, name))
    }

    fn procedure_of(&self, parts: &[String]) -> Option<i64> {
        self.look_up(parts, |namespace, name| {
            let own = self
                .model
                .procedures
                .iter()
                .find(|it| it.namespace == namespace && it.name == name);
            let built_in = || {
                (namespace == PG_CATALOG_OID)
                    .then(|| builtin::function_oid(name))
                    .flatten()
            };
            own.map(|procedure| procedure.oid).or_else(built_in)
        })
    }

    fn procedure_name(&self, oid: i64) -> Option<String> {
        if let Some(name) = builtin::function_name(oid) {
            return Some(quote_identifier(name));
        }
        let procedure = self.procedure(oid)?;
        Some(if self.procedure_is_visible(oid)? {
            quote_identifier(&procedure.name)
        } else {
            qualified(&procedure.schema, &procedure.name)
        })
    }

    /// The type that a text names in SQL's spelling (`double precision`, `numeric(18,4)[]`) or by its name.
    fn type_oid(&self, text: &str) -> Result<Option<i64>> {
        let (name, array) = without_brackets(text.trim());
        let name = without_modifier(name);
        let words = name
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase();
        let keyword = type_keyword(&words);
        let element = match type_named(keyword)
            .filter(|it| it.namespace == PG_CATALOG_OID && !name.contains('"'))
        {
            Some(built_in) => Some(built_in.oid),
            None => {
                let parts = split_name(&name)
                    .ok_or_else(|| Error::new(ErrorClass::Syntax, format!("invalid type name \"{text}\"")))?;
                self.look_up(&parts, |namespace, name| self.type_in(namespace, name))
            }
        };
        Ok(element.and_then(|oid| if array { self.array_over(oid) } else { Some(oid) }))
    }

    fn type_in(&self, namespace: i64, name: &str) -> Option<i64> {
        if let Some(built_in) = type_named(name).filter(|built_in| built_in.namespace == namespace) {
            return Some(built_in.oid);
        }
        let row = self
            .model
            .class_named(namespace, name)
            .filter(|class| class.is_relation());
        let array = || {
            let arrays = self
                .model
                .classes
                .iter()
                .filter(|class| class.namespace == namespace && class.is_relation());
            arrays
                .filter(|_| name.starts_with('_'))
                .find(|class| class.row_array_name == name)
        };
        row.map(|class| class.row_type)
            .or_else(|| array().map(|class| class.row_array))
    }

    fn array_over(&self, oid: i64) -> Option<i64> {
        match type_of(oid) {
            Some(built_in) if built_in.array => Some(oid),
            Some(built_in) => (built_in.array_type != 0).then_some(built_in.array_type),
            None => self.model.class_of_type(oid).map(|(class, _)| class.row_array),
        }
    }
}

/// A name as error messages show it: without the quotes that made it one.
fn bare(text: &str) -> String {
    split_name(text).map_or_else(|| text.to_owned(), |parts| parts.join("."))
}

/// The text before `[]` or `[3]`, and whether there was one.
fn without_brackets(text: &str) -> (&str, bool) {
    match text.find('[') {
        Some(at) if text.ends_with(']') && !text.starts_with('"') => {
            (text.get(..at).unwrap_or(text).trim_end(), true)
        }
        Some(at) if text.ends_with("[]") => (text.get(..at.max(text.len() - 2)).unwrap_or(text), true),
        _ => (text, false),
    }
}

/// The text without `(…)`, which can stand inside: `timestamp(3) with time zone`.
fn without_modifier(text: &str) -> String {
    match (text.find('('), text.find(')')) {
        (Some(open), Some(close)) if open < close && !text.contains('"') => {
            let (before, after) = (
                text.get(..open).unwrap_or_default(),
                text.get(close + 1..).unwrap_or_default(),
            );
            format!("{before} {after}").trim().to_owned()
        }
        _ => text.to_owned(),
    }
}
