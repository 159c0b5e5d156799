//! Whole rows: the name of a table where a value stands is the record of its columns (`transformColumnRef` in
//! parse_expr.c). A column of that name comes first. Where the columns of a table are not known before planning, names stay as
//! they are, and the planner says that there is no such column.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Distinct, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, Ident, JoinOperator, ObjectName, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr,
    TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::names::{column_name, folded, shown_name};
use super::subquery::function;
use super::using::{Names, Relations, called, factor_columns, own_names};
use crate::functions::postgres::{json_build, record};

/// Puts records in the place of the names of tables, in every select of a query that is not a query of its own.
pub(crate) fn in_query(query: &mut Query, names: &Names, relations: Relations<'_>) {
    let mut order = query.order_by.as_mut();
    let mut bodies = vec![query.body.as_mut()];
    while let Some(body) = bodies.pop() {
        match body {
            SetExpr::Select(select) => in_select(select, order.take(), names, relations),
            SetExpr::SetOperation { left, right, .. } => {
                order = None;
                bodies.extend([left.as_mut(), right.as_mut()]);
            }
            _ => {}
        }
    }
}

fn in_select(select: &mut Select, mut order: Option<&mut OrderBy>, names: &Names, relations: Relations<'_>) {
    let mut mentioned = Mentioned {
        tables: tables(select).filter_map(|(factor, _)| called(factor)).collect(),
        found: false,
    };
    if mentioned.tables.is_empty() {
        return;
    }
    // The visitor never breaks.
    let _: ControlFlow<()> = Visit::visit(select, &mut mentioned);
    if let Some(order) = &order {
        let _: ControlFlow<()> = Visit::visit(&**order, &mut mentioned);
    }
    let Some(rows) = Some(mentioned.found)
        .filter(|found| *found)
        .and_then(|_| rows(select, names, relations))
    else {
        return;
    };
    let mut whole = Whole {
        rows,
        own: Vec::new(),
        names,
        relations,
    };
    let outputs: HashSet<String> = select.projection.iter().filter_map(output).collect();
    for item in &mut select.projection {
        whole.item(item);
    }
    for item in &mut select.from {
        whole.replace(item);
    }
    for condition in select.selection.iter_mut().chain(&mut select.having) {
        whole.replace(condition);
    }
    for window in &mut select.named_window {
        whole.replace(window);
    }
    let groups = match &mut select.group_by {
        GroupByExpr::Expressions(groups, _) => groups.as_mut_slice(),
        GroupByExpr::All(_) => &mut [],
    };
    let distinct = match &mut select.distinct {
        Some(Distinct::On(keys)) => keys.as_mut_slice(),
        _ => &mut [],
    };
    let order = match order.as_mut().map(|order| &mut order.kind) {
        Some(OrderByKind::Expressions(keys)) => keys.as_mut_slice(),
        _ => &mut [],
    };
    let keys = groups.iter_mut().chain(distinct);
    for key in keys.chain(order.iter_mut().map(|key| &mut key.expr)) {
        // A plain name is one of the output first.
        if !matches!(key, Expr::Identifier(ident) if outputs.contains(&folded(ident))) {
            whole.replace(key);
        }
    }
}

/// The tables of FROM, each with whether an outer join may find no row of it.
fn tables(select: &Select) -> impl Iterator<Item = (&TableFactor, bool)> {
    let right = |operator: &JoinOperator| {
        let left = matches!(operator, JoinOperator::Left(_) | JoinOperator::LeftOuter(_));
        left || matches!(operator, JoinOperator::FullOuter(_))
    };
    let left = |operator: &JoinOperator| {
        let right = matches!(operator, JoinOperator::Right(_) | JoinOperator::RightOuter(_));
        right || matches!(operator, JoinOperator::FullOuter(_))
    };
    select.from.iter().flat_map(move |item| {
        let after = move |at: usize| item.joins.iter().skip(at).any(|join| left(&join.join_operator));
        let joined = item.joins.iter().enumerate();
        let joined =
            joined.map(move |(at, join)| (&join.relation, right(&join.join_operator) || after(at + 1)));
        std::iter::once((&item.relation, after(0))).chain(joined)
    })
}

fn output(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some(column_name(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}

/// One table as a value.
struct Row {
    table: String,
    columns: Vec<(String, Expr)>,
    /// Whether an outer join may find no row of it.
    joined: bool,
    /// Whether it is a function that gives values and no rows: its name is the value.
    value: bool,
}

impl Row {
    fn value(&self) -> Expr {
        if let ([(_, column)], true) = (self.columns.as_slice(), self.value) {
            return column.clone();
        }
        let named = self.columns.iter().flat_map(|(name, column)| {
            let name = Value::SingleQuotedString(shown_name(name).to_owned());
            [Expr::value(name), column.clone()]
        });
        let behind = if self.joined {
            record::JOINED
        } else {
            record::NAMED
        };
        Expr::Function(function(behind, named.collect()))
    }

    /// IS NULL of a row is that of all its columns, and so is IS NOT NULL.
    fn tested(&self, test: fn(Box<Expr>) -> Expr) -> Option<Expr> {
        all_of(self.columns.iter().map(|(_, column)| column.clone()), test)
    }
}

/// Whether something holds of all values.
fn all_of(values: impl Iterator<Item = Expr>, test: fn(Box<Expr>) -> Expr) -> Option<Expr> {
    let all = values.map(|value| test(Box::new(value)));
    let all = all.reduce(|all, next| Expr::BinaryOp {
        left: Box::new(all),
        op: BinaryOperator::And,
        right: Box::new(next),
    });
    all.map(|all| Expr::Nested(Box::new(all)))
}

/// `(a, b) IS NULL` is `a IS NULL AND b IS NULL`.
pub(crate) fn tested(expr: &Expr) -> Option<Expr> {
    let (inner, test): (&Expr, fn(Box<Expr>) -> Expr) = match expr {
        Expr::IsNull(inner) => (inner, Expr::IsNull),
        Expr::IsNotNull(inner) => (inner, Expr::IsNotNull),
        _ => return None,
    };
    let Expr::Function(row) = inner else {
        return None;
    };
    let fields = arguments(row).iter().map(|field| match field {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(field)) => Some(field.clone()),
        _ => None,
    });
    let fields = fields.collect::<Option<Vec<_>>>().filter(|_| is_row(row))?;
    all_of(fields.into_iter(), test)
}

/// `(a, b)` is `ROW(a, b)`.
pub(crate) fn tuple(fields: &[Expr]) -> Expr {
    Expr::Function(function(record::ROW, fields.to_vec()))
}

/// The planner has a function for `ROW(a, b)`, but none of records.
pub(crate) fn row(called: &mut Function) {
    if called.name.to_string().eq_ignore_ascii_case("row") {
        called.name = ObjectName::from(vec![Ident::new(record::ROW)]);
    }
}

fn is_row(called: &Function) -> bool {
    called.name.to_string() == record::ROW
}

/// The tables whose names mean their rows; none where a column could have such a name unseen.
fn rows(select: &Select, names: &Names, relations: Relations<'_>) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    for (factor, joined) in tables(select) {
        let columns = factor_columns(factor, names, relations)?;
        seen.extend(columns.iter().map(|(name, _)| name.clone()));
        rows.extend(called(factor).map(|table| Row {
            table,
            columns,
            joined,
            value: gives_values(factor),
        }));
    }
    rows.retain(|row| !seen.contains(&row.table));
    Some(rows)
}

/// Whether a table is the query that stands for a function of single values.
fn gives_values(factor: &TableFactor) -> bool {
    let TableFactor::Derived { subquery, .. } = factor else {
        return false;
    };
    match subquery.body.as_ref() {
        SetExpr::Select(select) if select.from.is_empty() => match select.projection.as_slice() {
            [SelectItem::ExprWithAlias { expr, .. }] => matches!(expr, Expr::Function(called) if
                called.name.to_string() == "unnest" || json_build::READ.contains(&called.name.to_string().as_str())),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a name of a table stands where a value can.
struct Mentioned {
    tables: HashSet<String>,
    found: bool,
}

impl Visitor for Mentioned {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.found |= match expr {
            Expr::Identifier(ident) => self.tables.contains(&folded(ident)),
            Expr::QualifiedWildcard(..) => true,
            Expr::Function(called) => arguments(called).iter().any(|argument| {
                matches!(
                    argument,
                    FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_))
                )
            }),
            _ => false,
        };
        ControlFlow::Continue(())
    }
}

fn arguments(called: &Function) -> &[FunctionArg] {
    match &called.args {
        FunctionArguments::List(list) => &list.args,
        _ => &[],
    }
}

struct Whole<'a> {
    rows: Vec<Row>,
    /// For each query around: the names that are its own, or none when they are not known.
    own: Vec<Option<Vec<String>>>,
    names: &'a Names,
    relations: Relations<'a>,
}

impl Whole<'_> {
    fn replace(&mut self, tree: &mut impl VisitMut) {
        // The visitor never breaks.
        let _: ControlFlow<()> = tree.visit(self);
    }

    fn item(&mut self, item: &mut SelectItem) {
        if let SelectItem::UnnamedExpr(expr) = item
            && let Some(row) = self.row(expr)
        {
            let alias = Ident::with_quote('"', row.table.as_str());
            let expr = row.value();
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            self.replace(expr);
        }
    }

    fn named(&self, name: &str) -> Option<&Row> {
        let free =
            |own: &Option<Vec<String>>| own.as_ref().is_some_and(|own| !own.iter().any(|own| own == name));
        let row = self.rows.iter().find(|row| row.table == name);
        row.filter(|_| self.own.iter().all(free))
    }

    /// The row that a name stands for.
    fn row(&self, expr: &Expr) -> Option<&Row> {
        match expr {
            Expr::Identifier(ident) => self.named(&folded(ident)),
            Expr::QualifiedWildcard(name, _) => self.wild(name),
            Expr::Nested(inner) => self.row(inner),
            _ => None,
        }
    }

    fn wild(&self, name: &ObjectName) -> Option<&Row> {
        match name.0.as_slice() {
            [table] => self.named(&folded(table.as_ident()?)),
            _ => None,
        }
    }

    /// `t.*` among the arguments of a call: all columns in `ROW(t.*)`, the row elsewhere.
    fn arguments(&self, called: &mut Function) {
        let row = is_row(called);
        let FunctionArguments::List(list) = &mut called.args else {
            return;
        };
        let mut replaced = Vec::with_capacity(list.args.len());
        for argument in std::mem::take(&mut list.args) {
            match &argument {
                FunctionArg::Unnamed(
                    FunctionArgExpr::QualifiedWildcard(name)
                    | FunctionArgExpr::Expr(Expr::QualifiedWildcard(name, _)),
                ) => match self.wild(name) {
                    Some(of) if row => {
                        replaced.extend(of.columns.iter().map(|(_, column)| given(column.clone())));
                    }
                    Some(of) => replaced.push(given(of.value())),
                    None => replaced.push(argument),
                },
                _ => replaced.push(argument),
            }
        }
        list.args = replaced;
    }

    /// `(t).a` is `t.a`.
    fn field(&self, called: &Function) -> Option<Expr> {
        let name = called.name.0.last()?.as_ident()?;
        match arguments(called) {
            [
                FunctionArg::Unnamed(FunctionArgExpr::Expr(record)),
                FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(field))),
            ] if name.value == "get_field" => {
                let Value::SingleQuotedString(field) = &field.value else {
                    return None;
                };
                let mut columns = self.row(record)?.columns.iter();
                let (_, column) = columns.find(|(name, _)| name == field)?;
                Some(column.clone())
            }
            _ => None,
        }
    }
}

/// In `t.a[1]` the parser sees a field of `t`: it is an element of the column `t.a`.
fn column_of_table(root: &mut Expr, access_chain: &mut Vec<AccessExpr>) {
    if let (Expr::Identifier(table), [AccessExpr::Dot(Expr::Identifier(column)), _, ..]) =
        (&*root, access_chain.as_slice())
    {
        *root = Expr::CompoundIdentifier(vec![table.clone(), column.clone()]);
        access_chain.remove(0);
    }
}

fn given(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

impl VisitorMut for Whole<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.own.push(own_names(query, self.names, self.relations));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.own.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundFieldAccess { root, access_chain } = expr {
            column_of_table(root, access_chain);
        }
        let replaced = match expr {
            Expr::IsNull(inner) => self.row(inner).and_then(|row| row.tested(Expr::IsNull)),
            Expr::IsNotNull(inner) => self.row(inner).and_then(|row| row.tested(Expr::IsNotNull)),
            Expr::Function(called) => {
                self.arguments(called);
                self.field(called)
            }
            Expr::Identifier(_) | Expr::QualifiedWildcard(..) => self.row(expr).map(Row::value),
            _ => None,
        };
        if let Some(replaced) = replaced {
            *expr = replaced;
        }
        ControlFlow::Continue(())
    }
}
