//! A description becomes a model: every object gets its identifier, every reference its target.

use std::collections::{HashMap, HashSet};

use perennial_engine::description::{
    CatalogDescription, DATABASE, ForeignKey, FunctionDescription, FunctionKind, RelationDescription,
    RelationKind,
};

use super::{Attribute, Class, Key, Model, Namespace, OWNER_NAME, Procedure, Role, Target};
use crate::catalog::builtin::{
    ANY, BuiltinType, DATABASE_OWNER, INFORMATION_SCHEMA_OID, OWNER, PG_CATALOG_OID, PUBLIC_OID, RECORD,
    type_named,
};
use crate::catalog::functions;
use crate::catalog::oid::{Key as Name, Kind, Oids};
use crate::catalog::shape::{INFORMATION_SCHEMA, PG_CATALOG, SHAPES, Shape};
use crate::catalog::types::{ColumnType, type_keyword};

const PUBLIC: &str = "public";
/// Bytes of a name in PostgreSQL.
const MAX_NAME: usize = 63;

impl Model {
    /// Gives every object its identifier and resolves the references between them.
    pub(crate) fn new(description: &CatalogDescription) -> Self {
        let oids = Oids::new(names(description));
        let mut model = Self {
            database: oids.of(Kind::Database, "", DATABASE),
            snapshot: description.snapshot,
            namespaces: namespaces(description, &oids),
            classes: SHAPES.iter().map(system_class).collect(),
            keys: Vec::new(),
            procedures: procedures(description, &oids),
            roles: roles(description, &oids),
            class_by_oid: HashMap::new(),
            class_by_name: HashMap::new(),
            class_by_type: HashMap::new(),
        };
        for schema in &description.schemas {
            let taken: HashSet<&str> = schema
                .relations
                .iter()
                .map(|relation| relation.name.as_str())
                .collect();
            let namespace = namespace_oid(&schema.name, &oids);
            for relation in &schema.relations {
                let class = user_class(
                    relation,
                    (&schema.name, schema.temporary),
                    namespace,
                    &taken,
                    &oids,
                );
                model.classes.push(class);
            }
        }
        model.index_classes();
        for schema in &description.schemas {
            let namespace = namespace_oid(&schema.name, &oids);
            for relation in &schema.relations {
                model.add_primary_key(relation, &schema.name, namespace, &oids);
            }
        }
        model.index_classes();
        for schema in &description.schemas {
            let namespace = namespace_oid(&schema.name, &oids);
            for relation in &schema.relations {
                for (number, foreign_key) in relation.foreign_keys.iter().enumerate() {
                    model.add_foreign_key(relation, &schema.name, namespace, number, foreign_key, &oids);
                }
            }
        }
        model
    }

    fn add_primary_key(&mut self, relation: &RelationDescription, schema: &str, namespace: i64, oids: &Oids) {
        let Some(class) = self.position(namespace, &relation.name) else {
            return;
        };
        let Some(columns) = self.numbers(class, &relation.primary_key) else {
            return;
        };
        let name = unique(&relation.name, "_pkey", |name| {
            self.position(namespace, name).is_some()
        });
        let index = Class {
            oid: oids.of(Kind::Class, schema, &index_key(&relation.name)),
            name: name.clone(),
            namespace,
            schema: schema.to_owned(),
            kind: "i",
            system: false,
            temporary: false,
            row_type: 0,
            row_array: 0,
            row_array_name: String::new(),
            rule: 0,
            comment: String::new(),
            columns: self.index_columns(class, &columns),
            rows: relation.rows,
            bytes: None,
            definition: None,
            primary_key: None,
            triggers: false,
        };
        let position = self.classes.len();
        self.class_by_name.insert((namespace, name.clone()), position);
        self.classes.push(index);
        if let Some(class) = self.classes.get_mut(class) {
            class.primary_key = Some(self.keys.len());
            for column in &columns {
                if let Some(attribute) = usize::try_from(column - 1)
                    .ok()
                    .and_then(|at| class.columns.get_mut(at))
                {
                    attribute.not_null = true;
                }
            }
        }
        let oid = oids.of(
            Kind::Constraint,
            &format!("{schema}.{}", relation.name),
            "primary key",
        );
        self.keys.push(Key {
            oid,
            name,
            class,
            columns,
            index: Some(position),
            target: None,
        });
    }

    /// Adds a foreign key, unless the role does not see what it refers to.
    fn add_foreign_key(
        &mut self,
        relation: &RelationDescription,
        schema: &str,
        namespace: i64,
        number: usize,
        key: &ForeignKey,
        oids: &Oids,
    ) {
        let Some(class) = self.position(namespace, &relation.name) else {
            return;
        };
        let Some(columns) = self.numbers(class, &key.columns) else {
            return;
        };
        let target_namespace = self
            .namespace(&key.references_schema)
            .map(|namespace| namespace.oid);
        let Some(target) = target_namespace.and_then(|oid| self.position(oid, &key.references_relation))
        else {
            return;
        };
        let Some(target_columns) = self.numbers(target, &key.references_columns) else {
            return;
        };
        if columns.len() != target_columns.len() {
            return;
        }
        let primary = self
            .classes
            .get(target)
            .and_then(|class| class.primary_key)
            .and_then(|key| self.keys.get(key));
        let index = primary
            .filter(|primary| primary.columns == target_columns)
            .and_then(|primary| primary.index);
        let taken: HashSet<&str> = self
            .keys
            .iter()
            .filter(|key| key.class == class)
            .map(|key| key.name.as_str())
            .collect();
        let base = format!("{}_{}", relation.name, key.columns.join("_"));
        let name = unique(&base, "_fkey", |name| taken.contains(name));
        let oid = oids.of(
            Kind::Constraint,
            &format!("{schema}.{}", relation.name),
            &number.to_string(),
        );
        for end in [class, target] {
            if let Some(end) = self.classes.get_mut(end) {
                end.triggers = true;
            }
        }
        let target = Some(Target {
            class: target,
            columns: target_columns,
        });
        self.keys.push(Key {
            oid,
            name,
            class,
            columns,
            index,
            target,
        });
    }

    /// The numbers of columns; none if there are no names or one is unknown.
    fn numbers(&self, class: usize, names: &[String]) -> Option<Vec<i64>> {
        let columns = &self.classes.get(class)?.columns;
        let number = |name: &String| {
            let position = columns.iter().position(|column| column.name == *name)?;
            i64::try_from(position + 1).ok()
        };
        let numbers: Vec<i64> = names.iter().map(number).collect::<Option<_>>()?;
        (!numbers.is_empty()).then_some(numbers)
    }

    fn index_columns(&self, class: usize, numbers: &[i64]) -> Vec<Attribute> {
        let columns = self
            .classes
            .get(class)
            .map_or(&[][..], |class| class.columns.as_slice());
        let of = |number: &i64| columns.get(usize::try_from(number - 1).ok()?);
        let plain = |column: &Attribute| Attribute {
            comment: String::new(),
            not_null: false,
            ..column.clone()
        };
        numbers.iter().filter_map(of).map(plain).collect()
    }
}

/// Everything that is to have an identifier.
fn names(description: &CatalogDescription) -> Vec<Name> {
    let mut names = vec![(Kind::Database, String::new(), DATABASE.to_owned())];
    for schema in &description.schemas {
        names.push((Kind::Namespace, String::new(), schema.name.clone()));
        for relation in &schema.relations {
            let within = || schema.name.clone();
            names.push((Kind::Class, within(), relation.name.clone()));
            names.push((Kind::RowType, within(), relation.name.clone()));
            names.push((Kind::RowArray, within(), relation.name.clone()));
            if relation.kind == RelationKind::View {
                names.push((Kind::Rule, within(), relation.name.clone()));
            }
            let qualified = || format!("{}.{}", schema.name, relation.name);
            if !relation.primary_key.is_empty() {
                names.push((Kind::Class, within(), index_key(&relation.name)));
                names.push((Kind::Constraint, qualified(), "primary key".to_owned()));
            }
            let numbers = 0..relation.foreign_keys.len();
            names.extend(numbers.map(|number| (Kind::Constraint, qualified(), number.to_string())));
        }
    }
    names.extend(
        description
            .functions
            .iter()
            .map(|f| (Kind::Function, f.schema.clone(), f.name.clone())),
    );
    names.extend(functions::documented().map(|f| (Kind::Function, PG_CATALOG.to_owned(), f.key())));
    names.extend(
        description
            .roles
            .iter()
            .map(|role| (Kind::Role, String::new(), role.name.clone())),
    );
    names
}

/// The name under which the index of a primary key gets its identifier: no relation can be called so.
fn index_key(relation: &str) -> String {
    format!("{relation}\0primary key")
}

fn namespace_oid(name: &str, oids: &Oids) -> i64 {
    match name {
        PG_CATALOG => PG_CATALOG_OID,
        INFORMATION_SCHEMA => INFORMATION_SCHEMA_OID,
        PUBLIC => PUBLIC_OID,
        _ => oids.of(Kind::Namespace, "", name),
    }
}

fn namespaces(description: &CatalogDescription, oids: &Oids) -> Vec<Namespace> {
    let system = [
        (PG_CATALOG_OID, PG_CATALOG, "system catalog schema"),
        (
            INFORMATION_SCHEMA_OID,
            INFORMATION_SCHEMA,
            "standard views of the catalog",
        ),
    ];
    let system = system.into_iter().map(|(oid, name, comment)| Namespace {
        oid,
        name: name.to_owned(),
        comment: comment.to_owned(),
        temporary: false,
    });
    let served = description
        .schemas
        .iter()
        .filter(|schema| ![PG_CATALOG, INFORMATION_SCHEMA].contains(&schema.name.as_str()));
    let served = served.map(|schema| Namespace {
        oid: namespace_oid(&schema.name, oids),
        name: schema.name.clone(),
        comment: schema.comment.clone(),
        temporary: schema.temporary,
    });
    system.chain(served).collect()
}

fn system_class(shape: &Shape) -> Class {
    let namespace = if shape.schema == PG_CATALOG {
        PG_CATALOG_OID
    } else {
        INFORMATION_SCHEMA_OID
    };
    let columns = shape.columns.iter().map(|column| {
        let built_in = type_named(column.type_name);
        Attribute {
            name: column.name.to_owned(),
            column_type: ColumnType {
                dimensions: i64::from(built_in.is_some_and(BuiltinType::is_list)),
                ..ColumnType::plain(built_in.map_or(RECORD, |built_in| built_in.oid))
            },
            not_null: column.not_null,
            comment: String::new(),
        }
    });
    Class {
        oid: shape.oid,
        name: shape.name.to_owned(),
        namespace,
        schema: shape.schema.to_owned(),
        kind: shape.kind,
        system: true,
        temporary: false,
        row_type: shape.row_type,
        row_array: shape.row_array,
        row_array_name: format!("_{}", shape.name),
        rule: 0,
        comment: String::new(),
        columns: columns.collect(),
        rows: None,
        bytes: None,
        definition: None,
        primary_key: None,
        triggers: false,
    }
}

fn user_class(
    relation: &RelationDescription,
    (schema, temporary): (&str, bool),
    namespace: i64,
    taken: &HashSet<&str>,
    oids: &Oids,
) -> Class {
    let view = relation.kind == RelationKind::View;
    let columns = relation.columns.iter().map(|column| Attribute {
        name: column.name.clone(),
        column_type: ColumnType::named(column.named_type.as_deref(), &column.data_type),
        // As in Postgres nothing is known of the columns of a view.
        not_null: !column.nullable && !view,
        comment: column.comment.clone(),
    });
    let mut row_array_name = format!("_{}", relation.name);
    while taken.contains(row_array_name.as_str()) {
        row_array_name.insert(0, '_');
    }
    Class {
        oid: oids.of(Kind::Class, schema, &relation.name),
        name: relation.name.clone(),
        namespace,
        schema: schema.to_owned(),
        kind: if relation.kind == RelationKind::View {
            "v"
        } else {
            "r"
        },
        system: false,
        temporary,
        row_type: oids.of(Kind::RowType, schema, &relation.name),
        row_array: oids.of(Kind::RowArray, schema, &relation.name),
        row_array_name,
        rule: oids.of(Kind::Rule, schema, &relation.name),
        comment: relation.comment.clone(),
        columns: columns.collect(),
        rows: relation.rows,
        bytes: relation.bytes,
        definition: relation.definition.clone(),
        primary_key: None,
        triggers: false,
    }
}

fn procedures(description: &CatalogDescription, oids: &Oids) -> Vec<Procedure> {
    let own = functions::documented().map(|function| Procedure {
        oid: oids.of(Kind::Function, PG_CATALOG, &function.key()),
        namespace: PG_CATALOG_OID,
        schema: PG_CATALOG.to_owned(),
        name: function.name.to_owned(),
        kind: "f",
        returns_set: false,
        result: function.result,
        arguments: function.arguments,
        argument_names: Vec::new(),
        variadic: false,
        description: String::new(),
    });
    let own_names: HashSet<&str> = functions::documented().map(|function| function.name).collect();
    let mut seen = HashSet::new();
    let documented = description
        .functions
        .iter()
        .filter(move |function| function.schema != PG_CATALOG || !own_names.contains(function.name.as_str()))
        .filter(move |function| seen.insert((function.schema.as_str(), function.name.as_str())));
    let documented = documented.map(|function| Procedure {
        oid: oids.of(Kind::Function, &function.schema, &function.name),
        namespace: namespace_oid(&function.schema, oids),
        schema: function.schema.clone(),
        name: function.name.clone(),
        kind: match function.kind {
            FunctionKind::Aggregate => "a",
            FunctionKind::Window => "w",
            FunctionKind::Scalar | FunctionKind::Table => "f",
        },
        returns_set: function.kind == FunctionKind::Table,
        result: if function.kind == FunctionKind::Table {
            RECORD
        } else {
            declared(function.result.as_deref())
        },
        arguments: function
            .argument_types
            .iter()
            .take(named(function))
            .map(|sql_type| declared(sql_type.as_deref()))
            .chain(function.repeated.map(|_| ANY))
            .collect(),
        argument_names: function
            .arguments
            .iter()
            .take(named(function))
            .map(|(name, _)| name.clone())
            .chain(function.repeated.map(|_| String::new()))
            .collect(),
        variadic: function.repeated.is_some(),
        description: function.description.clone(),
    });
    own.chain(documented).collect()
}

/// How many arguments have a name: those up to one that is repeated. What may follow is `VARIADIC "any"`, as that of `format`,
/// for PostgreSQL repeats the last argument alone.
fn named(function: &FunctionDescription) -> usize {
    function.repeated.map_or(function.arguments.len(), |at| at + 1)
}

/// The type that a declaration names in SQL; any where it names none.
fn declared(sql_type: Option<&str>) -> i64 {
    let built_in = sql_type.and_then(|words| type_named(type_keyword(words)));
    built_in.map_or(ANY, |built_in| built_in.oid)
}

fn roles(description: &CatalogDescription, oids: &Oids) -> Vec<Role> {
    let configured = description.roles.iter().find(|role| role.name == OWNER_NAME);
    let owner = Role {
        oid: OWNER,
        name: OWNER_NAME.to_owned(),
        owner: true,
        login: configured.is_some(),
    };
    let others = description
        .roles
        .iter()
        .filter(|role| role.name != OWNER_NAME)
        .map(|role| Role {
            oid: oids.of(Kind::Role, "", &role.name),
            name: role.name.clone(),
            owner: role.owner,
            login: true,
        });
    let of_public = Role {
        oid: DATABASE_OWNER.0,
        name: DATABASE_OWNER.1.to_owned(),
        owner: false,
        login: false,
    };
    std::iter::once(owner).chain(others).chain([of_public]).collect()
}

/// A name that is not taken: the base and the suffix, with the first number that helps. The base is cut so that
/// the whole is no longer than a name can be, as PostgreSQL does.
fn unique(base: &str, suffix: &str, taken: impl Fn(&str) -> bool) -> String {
    let name = |number: usize| {
        let number = if number == 0 {
            String::new()
        } else {
            number.to_string()
        };
        let room = MAX_NAME.saturating_sub(suffix.len() + number.len());
        let end = (0..=room.min(base.len()))
            .rev()
            .find(|end| base.is_char_boundary(*end))
            .unwrap_or_default();
        format!("{}{suffix}{number}", base.get(..end).unwrap_or_default())
    };
    (0..).map(name).find(|name| !taken(name)).unwrap_or_default()
}
