//! Columns that `JOIN … USING` and `NATURAL JOIN` merge, as in Postgres (`transformJoinUsingClause` in parse_clause.c):
//! of the left side for inner and left joins, of the right side for right joins, of whichever has a row for full ones.
//! They stand first in `*`. The planner takes the left side always, and leaves columns where they are.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Distinct, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    OrderBy, OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableFactor, TableWithJoins, VisitMut, VisitorMut, WildcardAdditionalOptions,
};

use crate::sql::names::{column_name, folded};
use crate::sql::subquery::function;

/// The columns of a served relation, if there is one of that name.
pub(crate) type Relations<'a> = &'a dyn Fn(&ObjectName) -> Option<Vec<String>>;

/// The queries under names that are in sight: those of WITH.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names(Vec<Vec<(String, Option<Vec<String>>)>>);

impl Names {
    /// Enters a query; its WITH may be recursive, so a column list counts before the query that it is of.
    pub(crate) fn enter(&mut self, query: &Query, relations: Relations<'_>) {
        self.0.push(Vec::new());
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let given = columns_of_query(&cte.query, self, relations);
            // Inside of its own query the name may mean the table that it hides.
            let alone = relations(&ObjectName::from(vec![cte.alias.name.clone()])).is_none()
                && self.find(&folded(&cte.alias.name)).is_none();
            let columns = given
                .filter(|_| alone)
                .map(|columns| renamed(columns, &cte.alias));
            if let Some(scope) = self.0.last_mut() {
                scope.push((folded(&cte.alias.name), columns));
            }
        }
    }

    /// Leaves the query entered last.
    pub(crate) fn leave(&mut self) {
        self.0.pop();
    }

    /// Whether a query under this name is in sight.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<&Option<Vec<String>>> {
        let all = self.0.iter().rev().flat_map(|scope| scope.iter().rev());
        all.into_iter()
            .find(|(known, _)| known == name)
            .map(|(_, columns)| columns)
    }
}

/// Rewrites the merged columns of every select of a query that is not a query of its own.
pub(crate) fn merge(query: &mut Query, names: &Names, relations: Relations<'_>) {
    let order = query.order_by.as_mut();
    merge_in(&mut query.body, order, names, relations);
}

fn merge_in(body: &mut SetExpr, order: Option<&mut OrderBy>, names: &Names, relations: Relations<'_>) {
    match body {
        SetExpr::Select(select) => merge_select(select, order, names, relations),
        SetExpr::SetOperation { left, right, .. } => {
            // ORDER BY sees the output of the whole only. The left side nests as deep as there are operations.
            let mut left = left;
            let mut right = right;
            loop {
                merge_in(right, None, names, relations);
                match left.as_mut() {
                    SetExpr::SetOperation {
                        left: deeper,
                        right: next,
                        ..
                    } => (left, right) = (deeper, next),
                    other => return merge_in(other, None, names, relations),
                }
            }
        }
        _ => {}
    }
}

fn merge_select(select: &mut Select, order: Option<&mut OrderBy>, names: &Names, relations: Relations<'_>) {
    if !select.from.iter().any(merges) || called_alike(select) {
        return;
    }
    let mut scopes = Vec::with_capacity(select.from.len());
    for item in &mut select.from {
        match scope_of(item, names, relations) {
            Some(scope) => scopes.push(scope),
            // What cannot be seen through stays with the planner.
            None => return,
        }
    }
    // A name that is another column's too is left as it is: the planner tells that it is ambiguous.
    let alone = |name: &str| {
        let all = scopes.iter().flat_map(|scope| &scope.columns);
        all.filter(|(known, _)| known == name).count() == 1
    };
    let merged = scopes.iter().flat_map(|scope| &scope.merged);
    let wanted: Vec<_> = merged.filter(|(name, _)| alone(name)).cloned().collect();
    for (item, scope) in select.from.iter_mut().zip(&mut scopes) {
        for (join, condition) in item.joins.iter_mut().zip(scope.conditions.drain(..)) {
            if let (Some(condition), Some(constraint)) = (condition, constraint_mut(&mut join.join_operator))
            {
                *constraint = JoinConstraint::On(condition);
            }
        }
    }
    expand(select, &scopes);
    let outputs: HashSet<String> = select
        .projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::UnnamedExpr(expr) => Some(column_name(expr)),
            SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            _ => None,
        })
        .collect();
    let mut merged = Replace {
        merged: &wanted,
        own: Vec::new(),
        names,
        relations,
    };
    for item in &mut select.projection {
        match item {
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => {
                if let Some((name, value)) = wanted.iter().find(|(name, _)| *name == folded(ident)) {
                    *item = named(value.clone(), name);
                }
            }
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => merged.replace(expr),
            _ => {}
        }
    }
    let groups = match &mut select.group_by {
        GroupByExpr::Expressions(groups, _) => groups.as_mut_slice(),
        GroupByExpr::All(_) => &mut [],
    };
    let distinct = match &mut select.distinct {
        Some(Distinct::On(keys)) => keys.as_mut_slice(),
        _ => &mut [],
    };
    let keys = groups.iter_mut().chain(distinct);
    for expr in keys.chain(&mut select.selection).chain(&mut select.having) {
        merged.replace(expr);
    }
    for window in &mut select.named_window {
        merged.replace(window);
    }
    if let Some(OrderBy {
        kind: OrderByKind::Expressions(keys),
        ..
    }) = order
    {
        for key in keys {
            // A plain name is one of the output first, in an expression it never is.
            match &key.expr {
                Expr::Identifier(ident) if outputs.contains(&folded(ident)) => {}
                _ => merged.replace(&mut key.expr),
            }
        }
    }
}

/// Puts merged columns in the place of their names. In a subquery a name may mean a column of its own; where that cannot be
/// seen before planning the names stay.
struct Replace<'a> {
    merged: &'a [(String, Expr)],
    /// For each query around: the names that are its own, or none when they are not known.
    own: Vec<Option<Vec<String>>>,
    names: &'a Names,
    relations: Relations<'a>,
}

impl Replace<'_> {
    fn replace(&mut self, tree: &mut impl VisitMut) {
        // The visitor never breaks.
        let _: ControlFlow<()> = tree.visit(self);
    }
}

impl VisitorMut for Replace<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.own.push(own_names(query, self.names, self.relations));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.own.pop();
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr {
            let name = folded(ident);
            let free = |own: &Option<Vec<String>>| own.as_ref().is_some_and(|own| !own.contains(&name));
            if self.own.iter().all(free)
                && let Some((_, value)) = self.merged.iter().find(|(merged, _)| *merged == name)
            {
                *expr = value.clone();
            }
        }
        ControlFlow::Continue(())
    }
}

/// The names that mean columns of the query's own tables, or of its output.
pub(super) fn own_names(query: &Query, names: &Names, relations: Relations<'_>) -> Option<Vec<String>> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    if query.with.is_some() {
        return None;
    }
    let mut own = Vec::new();
    for item in &select.from {
        let scope = scope_of(item, names, relations)?;
        own.extend(scope.columns.into_iter().map(|(name, _)| name));
    }
    if query.order_by.is_some() {
        own.extend(columns_of_select(select, names, relations)?);
    }
    Some(own)
}

/// Writes `*` and `a.*` out.
fn expand(select: &mut Select, scopes: &[Scope]) {
    let plain = |options: &WildcardAdditionalOptions| *options == WildcardAdditionalOptions::default();
    let mut items = Vec::with_capacity(select.projection.len());
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(options) if plain(&options) => {
                let columns = scopes.iter().flat_map(|scope| &scope.columns);
                items.extend(columns.map(|(name, value)| named(value.clone(), name)));
            }
            item => items.push(item),
        }
    }
    select.projection = items;
}

fn named(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias {
        expr,
        alias: Ident::with_quote('"', name),
    }
}

/// What an item of FROM gives.
struct Scope {
    /// All columns in the order of `*`.
    columns: Vec<(String, Expr)>,
    /// Of these, the merged ones.
    merged: Vec<(String, Expr)>,
    /// The conditions of its joins, where they were not written as such.
    conditions: Vec<Option<Expr>>,
}

fn scope_of(item: &TableWithJoins, names: &Names, relations: Relations<'_>) -> Option<Scope> {
    let mut scope = Scope {
        columns: factor_columns(&item.relation, names, relations)?,
        merged: Vec::new(),
        conditions: Vec::new(),
    };
    for join in &item.joins {
        let right = factor_columns(&join.relation, names, relations)?;
        let condition = scope.join(join, right)?;
        scope.conditions.push(condition);
    }
    Some(scope)
}

impl Scope {
    /// Takes in the right side of a join; gives its condition when it was not written as one.
    fn join(&mut self, join: &Join, right: Vec<(String, Expr)>) -> Option<Option<Expr>> {
        let shared = match constraint(&join.join_operator)? {
            JoinConstraint::Using(using) => using
                .iter()
                .map(|name| match name.0.as_slice() {
                    [part] => part.as_ident().map(folded),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()?,
            JoinConstraint::Natural => {
                let known = |name: &String| right.iter().any(|(other, _)| other == name);
                let shared = self.columns.iter().map(|(name, _)| name.clone());
                shared.filter(known).collect()
            }
            JoinConstraint::On(_) | JoinConstraint::None => {
                self.columns.extend(right);
                return Some(None);
            }
        };
        let mut merged = Vec::with_capacity(shared.len());
        let mut conditions = Vec::with_capacity(shared.len());
        for name in &shared {
            // Absent or ambiguous: the planner says so.
            let (left, right) = (only(&self.columns, name)?, only(&right, name)?);
            let value = match &join.join_operator {
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => right.clone(),
                JoinOperator::FullOuter(_) => {
                    Expr::Function(function("coalesce", vec![left.clone(), right.clone()]))
                }
                _ => left.clone(),
            };
            merged.push((name.clone(), value));
            conditions.push(Expr::BinaryOp {
                left: Box::new(left),
                op: BinaryOperator::Eq,
                right: Box::new(right),
            });
        }
        let rest = |columns: &[(String, Expr)]| {
            let rest = columns.iter().filter(|(name, _)| !shared.contains(name));
            rest.cloned().collect::<Vec<_>>()
        };
        let (left_rest, right_rest) = (rest(&self.columns), rest(&right));
        self.merged.retain(|(name, _)| !shared.contains(name));
        self.merged.extend(merged.iter().cloned());
        self.columns = merged.into_iter().chain(left_rest).chain(right_rest).collect();
        let all = conditions.into_iter().reduce(|all, next| Expr::BinaryOp {
            left: Box::new(all),
            op: BinaryOperator::And,
            right: Box::new(next),
        });
        // A natural join of sides that share nothing keeps every pair.
        Some(Some(all.unwrap_or_else(|| {
            Expr::value(datafusion::sql::sqlparser::ast::Value::Boolean(true))
        })))
    }
}

fn only(columns: &[(String, Expr)], name: &str) -> Option<Expr> {
    let mut found = columns.iter().filter(|(known, _)| known == name);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Some(value.clone()),
        _ => None,
    }
}

/// Whether a join other than a cross join has no condition: the planner makes pairs of all rows of it, or nothing.
pub(super) fn unconditional<'a>(from: impl IntoIterator<Item = &'a TableWithJoins>) -> bool {
    let joins = from.into_iter().flat_map(|item| &item.joins);
    let mut operators = joins.map(|join| &join.join_operator);
    operators.any(|operator| {
        !matches!(operator, JoinOperator::CrossJoin(_))
            && matches!(constraint(operator), Some(JoinConstraint::None))
    })
}

fn merges(item: &TableWithJoins) -> bool {
    item.joins.iter().any(|join| {
        matches!(
            constraint(&join.join_operator),
            Some(JoinConstraint::Using(_) | JoinConstraint::Natural)
        )
    })
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => Some(constraint),
        _ => None,
    }
}

fn constraint_mut(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => Some(constraint),
        _ => None,
    }
}

/// The columns of one table, each as a qualified name; none where they are not known before planning.
pub(super) fn factor_columns(
    factor: &TableFactor,
    names: &Names,
    relations: Relations<'_>,
) -> Option<Vec<(String, Expr)>> {
    let (qualifier, columns) = match factor {
        TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } => {
            let last = name.0.last()?.as_ident()?;
            let cte = (name.0.len() == 1).then(|| names.find(&folded(last))).flatten();
            let columns = match cte {
                Some(columns) => columns.clone()?,
                None => relations(name)?,
            };
            match alias {
                Some(alias) => (&alias.name, renamed(columns, alias)),
                None => (last, columns),
            }
        }
        TableFactor::Derived {
            subquery,
            alias: Some(alias),
            ..
        } => {
            let columns = columns_of_query(subquery, names, relations)?;
            (&alias.name, renamed(columns, alias))
        }
        _ => return None,
    };
    let mut seen = HashSet::new();
    if !columns.iter().all(|name| seen.insert(name.as_str())) {
        return None;
    }
    let qualified = |name: String| {
        let column = Ident::with_quote('"', name.as_str());
        (name, Expr::CompoundIdentifier(vec![qualifier.clone(), column]))
    };
    Some(columns.into_iter().map(qualified).collect())
}

/// `t(a, b)` renames the first two columns.
fn renamed(columns: Vec<String>, alias: &TableAlias) -> Vec<String> {
    let mut given = alias.columns.iter().map(|column| folded(&column.name));
    columns
        .into_iter()
        .map(|column| given.next().unwrap_or(column))
        .collect()
}

/// The names of a query's columns; none where they are not known before planning.
fn columns_of_query(query: &Query, names: &Names, relations: Relations<'_>) -> Option<Vec<String>> {
    if query.with.is_some() {
        return None;
    }
    let mut body = query.body.as_ref();
    loop {
        match body {
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(inner) if inner.with.is_none() => body = &inner.body,
            SetExpr::Values(values) => {
                let width = values.rows.first()?.content.len();
                return Some((1..=width).map(|at| format!("column{at}")).collect());
            }
            SetExpr::Select(select) => return columns_of_select(select, names, relations),
            _ => return None,
        }
    }
}

fn columns_of_select(select: &Select, names: &Names, relations: Relations<'_>) -> Option<Vec<String>> {
    let mut columns = Vec::with_capacity(select.projection.len());
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => columns.push(column_name(expr)),
            SelectItem::ExprWithAlias { alias, .. } => columns.push(folded(alias)),
            SelectItem::Wildcard(_) => {
                for item in &select.from {
                    let scope = scope_of(item, names, relations)?;
                    columns.extend(scope.columns.into_iter().map(|(name, _)| name));
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let wanted = folded(name.0.last()?.as_ident()?);
                let joined = |item: &TableWithJoins| {
                    let first = std::iter::once(&item.relation);
                    let all = first.chain(item.joins.iter().map(|join| &join.relation));
                    all.cloned().collect::<Vec<_>>()
                };
                let factor = select
                    .from
                    .iter()
                    .flat_map(joined)
                    .find(|factor| called(factor) == Some(wanted.clone()))?;
                let found = factor_columns(&factor, names, relations)?;
                columns.extend(found.into_iter().map(|(name, _)| name));
            }
            _ => return None,
        }
    }
    Some(columns)
}

/// Whether two tables are called by one name, as tables of two schemas may be: a qualified column would be of either.
fn called_alike(select: &Select) -> bool {
    let mut seen = HashSet::new();
    let mut all = select.from.iter().flat_map(|item| {
        let others = item.joins.iter().map(|join| &join.relation);
        std::iter::once(&item.relation).chain(others)
    });
    !all.all(|factor| called(factor).is_none_or(|name| seen.insert(name)))
}

/// The name by which a table's columns are qualified.
pub(super) fn called(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        } => Some(folded(&alias.name)),
        TableFactor::Table { name, .. } => name.0.last()?.as_ident().map(folded),
        _ => None,
    }
}
