"""SQLAlchemy 2, below most Python tools, with psycopg and with psycopg2: reflection of what is served by the inspector,
queries of Core and of the ORM, streams, types, transactions and the pool."""

from transcript import check, client, done, part, refused, url

import datetime
import decimal

import sqlalchemy
from sqlalchemy import MetaData, Table, and_, any_, bindparam, case, cast, column, create_engine, distinct, event, extract, func, inspect, literal, or_, select, text, tuple_, values
from sqlalchemy import Date, Integer, Interval, Numeric, String
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope
from sqlalchemy.orm import DeclarativeBase, Session, aliased, relationship, selectinload, joinedload

UTC = datetime.timezone.utc
SCHEMAS = ("public", "raw", "perennial")


def typed(columns):
    """Columns as the inspector tells them, with types as they are written."""
    return [{**told, "type": repr(told["type"])} for told in columns]


def by_name(told):
    return {name if isinstance(name, str) else ".".join(filter(None, name)): value for name, value in sorted(told.items(), key=lambda item: str(item[0]))}


def reflection(engine, driver):
    part(f"reflection with {driver}")
    found = inspect(engine)
    tell = lambda name, ask: check(f"{driver} {name}", ask)
    tell("schemas", lambda: found.get_schema_names())
    tell("default schema", lambda: found.default_schema_name)
    for schema in SCHEMAS:
        tell(f"tables of {schema}", lambda: sorted(found.get_table_names(schema)))
        tell(f"views of {schema}", lambda: sorted(found.get_view_names(schema)))
        tell(f"columns of {schema}", lambda: {name: typed(told) for name, told in by_name(found.get_multi_columns(schema, kind=ObjectKind.ANY)).items()})
        tell(f"primary keys of {schema}", lambda: by_name(found.get_multi_pk_constraint(schema)))
        tell(f"foreign keys of {schema}", lambda: by_name(found.get_multi_foreign_keys(schema)))
        tell(f"indexes of {schema}", lambda: by_name(found.get_multi_indexes(schema)))
        tell(f"comments of {schema}", lambda: by_name(found.get_multi_table_comment(schema, kind=ObjectKind.ANY)))
        tell(f"constraints of {schema}", lambda: [by_name(found.get_multi_unique_constraints(schema)), by_name(found.get_multi_check_constraints(schema))])
        tell(f"options of {schema}", lambda: by_name(found.get_multi_table_options(schema)))
    tell("columns of one table", lambda: typed(found.get_columns("customer_360")))
    tell("columns of one view", lambda: typed(found.get_columns("lifecycle_funnel")))
    tell("key of one table", lambda: found.get_pk_constraint("segment_members"))
    tell("foreign keys of one table", lambda: found.get_foreign_keys("orders", "public"))
    tell("what there is not", lambda: [found.get_temp_table_names(), found.get_temp_view_names(), found.get_materialized_view_names(), found.get_sequence_names(), found.get_enums("*"), found.get_domains("*")])
    tell("whether there is", lambda: [found.has_table("orders"), found.has_table("nothing"), found.has_table("metrics", schema="perennial"), found.has_table("lifecycle_funnel"), found.has_schema("raw"), found.has_schema("no"), found.has_sequence("s"), found.has_index("orders", "i"), found.has_table("pg_class", schema="pg_catalog")])
    tell("order of tables by keys", lambda: [name for name, _ in found.get_sorted_table_and_fkc_names()][:3])
    tell("columns of the catalog", lambda: [[told["name"], str(told["type"]), told["nullable"]] for told in found.get_columns("pg_index", schema="pg_catalog")][:8])

    def refuse(ask):
        try:
            return ask()
        except sqlalchemy.exc.NoSuchTableError as error:
            return f"no such table: {error}"

    tell("columns of no table", lambda: refuse(lambda: found.get_columns("nothing")))

    def whole(schema):
        metadata = MetaData()
        metadata.reflect(engine, schema=schema, views=True)
        return {table.name: [[c.name for c in table.primary_key], sorted(f"{key.parent.name} -> {key.target_fullname}" for key in table.foreign_keys), table.comment, len(table.columns)]
                for table in metadata.sorted_tables}

    for schema in (None, "raw", "perennial"):
        tell(f"metadata of {schema or 'the path'}", lambda: dict(sorted(whole(schema).items())))
    tell("a table by itself", lambda: repr(Table("products", MetaData(), autoload_with=engine)))


def core(engine, driver):
    part(f"queries of Core with {driver}")
    metadata = MetaData()
    metadata.reflect(engine, only=["orders", "customer_360", "products", "order_items", "events", "segment_members"])
    o, c, p, i, e = (metadata.tables[name] for name in ("orders", "customer_360", "products", "order_items", "events"))
    since = datetime.datetime(2025, 1, 1, tzinfo=UTC)
    month = func.date_trunc("month", o.c.time).label("month")
    gap = (o.c.time - func.lag(o.c.time).over(partition_by=o.c.customer_id, order_by=o.c.time)).label("gap")
    ranked = select(p.c.category, p.c.name, func.row_number().over(partition_by=p.c.category, order_by=[p.c.price.desc(), p.c.name]).label("n")).subquery()
    firsts = select(o.c.customer_id, func.min(o.c.time).label("first")).group_by(o.c.customer_id).cte("firsts")
    latest = select(o.c.amount).where(o.c.customer_id == c.c.customer_id).order_by(o.c.time.desc(), o.c.order_id).limit(1).lateral("latest")
    pairs = values(column("a", Integer), column("b", String), name="pairs").data([(1, "x"), (2, "y")])
    steps = select(literal(1).label("n")).cte("steps", recursive=True)
    steps = steps.union_all(select(steps.c.n + 1).where(steps.c.n < 5))
    queries = {
        "groups": select(c.c.lifecycle_stage, func.count().label("people"), func.sum(c.c.net_revenue)).where(c.c.orders >= 1).group_by(c.c.lifecycle_stage).order_by(func.count().desc(), c.c.lifecycle_stage),
        "months": select(month, func.count(distinct(o.c.customer_id)), func.sum(o.c.amount)).where(o.c.time >= since).group_by(month).order_by(month),
        "join": select(c.c.country, func.count()).select_from(o.join(c, o.c.customer_id == c.c.customer_id)).where(o.c.channel.in_(["email", "direct"])).group_by(c.c.country).order_by(c.c.country.nulls_last()),
        "no element": select(func.count()).select_from(o).where(o.c.channel.in_([])),
        "pairs": select(func.count()).select_from(o).where(tuple_(o.c.channel, o.c.status).in_([("email", "paid"), ("direct", "shipped")])),
        "like": select(func.count()).select_from(e).where(or_(e.c.name.like("page/_%", escape="/"), e.c.name.icontains("CART", autoescape=True), e.c.name.startswith("sign"))),
        "window": select(func.percentile_cont(0.5).within_group(cast(func.extract("epoch", select(gap).subquery().c.gap), sqlalchemy.Float).asc())),
        "first of groups": select(ranked.c.category, ranked.c.name).where(ranked.c.n == 1).order_by(ranked.c.category),
        "cte": select(func.extract("year", firsts.c.first), func.count()).group_by(text("1")).order_by(text("1")),
        "lateral": select(c.c.customer_id, latest.c.amount).select_from(c.join(latest, literal(True))).order_by(c.c.customer_id).limit(3),
        "values": select(pairs).order_by(pairs.c.a),
        "recursive": select(steps.c.n).order_by(steps.c.n),
        "distinct on": select(i.c.category, i.c.product_id).ext(postgresql.distinct_on(i.c.category)).order_by(i.c.category, i.c.product_id),
        "filter": select(func.count().filter(o.c.paid), func.count().filter(o.c.refunded > 0), func.sum(case((o.c.channel == "email", o.c.amount), else_=0))),
        "union": select(o.c.channel).union(select(e.c.channel)).order_by("channel"),
        "exists": select(func.count()).select_from(c).where(~select(o).where(o.c.customer_id == c.c.customer_id).exists(), c.c.email.is_not(None)),
        "arrays": select(func.count()).select_from(c).where(literal("shop_orders") == any_(c.c.sources), func.cardinality(c.c.sources) > 2),
        "array contains": select(func.count()).select_from(c).where(cast(c.c.sources, postgresql.ARRAY(String)).contains(["shop_orders", "web_events"])),
        "array element": select(c.c.sources[1], func.count()).group_by(text("1")).order_by(text("1")),
        "array of group": select(p.c.category, func.array_agg(postgresql.aggregate_order_by(p.c.product_id, p.c.price.desc(), p.c.product_id))).group_by(p.c.category).order_by(p.c.category).limit(2),
        "string of group": select(func.string_agg(p.c.product_id, postgresql.aggregate_order_by(literal(", "), p.c.product_id))).where(p.c.category == "care"),
        "document": select(cast(e.c.properties, postgresql.JSONB)["product_id"].astext.label("product"), func.count()).group_by(text("1")).order_by(func.count().desc(), text("1")).limit(3),
        "casts": select(cast(literal("1.50"), Numeric(8, 3)), cast(o.c.time, Date), cast(literal("3 days"), Interval)).order_by(o.c.order_id).limit(1),
        "extract": select(extract("dow", o.c.time), func.count()).group_by(extract("dow", o.c.time)).order_by(extract("dow", o.c.time)),
        "between": select(func.count()).where(o.c.amount.between(decimal.Decimal("10"), 20), o.c.time.between(since, since + datetime.timedelta(days=90))),
        "is distinct": select(func.count()).where(o.c.campaign.is_distinct_from("friends_bring_friends")),
        "regular expression": select(p.c.name).where(p.c.name.regexp_match("^Moka", flags="i")).order_by(p.c.name),
        "replaced": select(func.regexp_replace(p.c.name, "[aeiou]", "*", "g")).order_by(p.c.product_id).limit(2),
        "series": select(func.generate_series(1, 3).table_valued("n").render_derived().c.n),
        "unnest": select(func.unnest(literal(["a", "b"], postgresql.ARRAY(String))).table_valued("v", with_ordinality="n").render_derived()),
        "parameters": select(func.count()).select_from(o).where(and_(o.c.amount > bindparam("least"), o.c.time < bindparam("until"))).params(least=10, until=since),
        "time zone": select(func.timezone("Europe/Berlin", o.c.time)).order_by(o.c.order_id).limit(1),
        "offset": select(o.c.order_id).order_by(o.c.order_id).limit(2).offset(5),
        "fetch": select(o.c.order_id).order_by(o.c.order_id).fetch(2),
        "rollup": select(o.c.channel, func.count()).group_by(func.rollup(o.c.channel)).order_by(o.c.channel.nulls_last(), func.count()),
    }
    with engine.connect() as connection:
        for name, query in queries.items():
            def rows():
                with connection.begin_nested():
                    result = connection.execute(query)
                    return [list(result.keys()), result.all()]
            check(f"{driver} {name}", rows)
        check(f"{driver} text", lambda: connection.execute(text("SELECT CAST(:day AS date) + 1, :word || '!', CAST(:words AS text[]), CAST(:nothing AS int)"),
                                                           {"day": datetime.date(2024, 2, 28), "word": "a:b", "words": ["x", "y"], "nothing": None}).one())
        check(f"{driver} mappings", lambda: dict(connection.execute(text("SELECT segment, members FROM segments ORDER BY 1")).mappings().first()))
        streamed = lambda: connection.execution_options(stream_results=True, yield_per=100).execute(select(o.c.order_id).order_by(o.c.order_id))
        check(f"{driver} stream", lambda: [len(portion) for portion in streamed().partitions()])
        check(f"{driver} rowcount", lambda: connection.execute(select(o)).rowcount)
        check(f"{driver} compiled", lambda: connection.exec_driver_sql("SELECT count(*) FROM orders WHERE channel = %s", ("email",)).scalar_one())
    types = inspect(engine).get_columns("orders")
    check(f"{driver} python types", lambda: [told["type"].python_type.__name__ for told in types])


def mapped(engine, driver):
    part(f"the ORM with {driver}")

    class Base(DeclarativeBase):
        pass

    Base.metadata.reflect(engine, only=["customers", "orders", "segments", "segment_members"])

    class Customer(Base):
        __table__ = Base.metadata.tables["customers"]
        orders = relationship("Order", order_by="Order.order_id", viewonly=True)

    class Order(Base):
        __table__ = Base.metadata.tables["orders"]
        customer = relationship("Customer", viewonly=True)

    with Session(engine) as session:
        best = select(Customer).join(Order).group_by(Customer).order_by(func.sum(Order.amount).desc(), Customer.customer_id).limit(3)
        check(f"{driver} entities", lambda: [one.customer_id for one in session.scalars(best)])
        check(f"{driver} select in", lambda: [[one.customer_id, [order.amount for order in one.orders][:3]] for one in session.scalars(best.options(selectinload(Customer.orders)))])
        check(f"{driver} joined", lambda: [order.customer.country for order in session.scalars(select(Order).options(joinedload(Order.customer)).order_by(Order.order_id).limit(3))])
        check(f"{driver} by key", lambda: session.get(Customer, "02pqx7k1rjs55r0n").first_seen_at)
        check(f"{driver} lazy", lambda: len(session.get(Customer, session.scalars(best).first().customer_id).orders))
        check(f"{driver} aliased", lambda: session.execute(select(func.count()).select_from(Order).join(later := aliased(Order), and_(later.customer_id == Order.customer_id, later.time > Order.time))).scalar_one())
        check(f"{driver} pages", lambda: [session.scalars(select(Order.order_id).order_by(Order.order_id).limit(2).offset(n)).all() for n in (0, 2)])
        check(f"{driver} nothing to write", session.commit)


def transactions(engine, driver):
    part(f"transactions, settings and the pool with {driver}")
    with engine.connect() as connection:
        scalar = lambda query: connection.execute(text(query)).scalar_one()

        def nested():
            with connection.begin():
                try:
                    with connection.begin_nested():
                        scalar("SELECT 1 / 0")
                except sqlalchemy.exc.DBAPIError as error:
                    return [type(error).__name__, scalar("SELECT 1")]

        check(f"{driver} savepoint", nested)
        check(f"{driver} isolation", lambda: [connection.get_isolation_level(), connection.default_isolation_level])
        connection.rollback()
        refused(f"{driver} division by zero", lambda: scalar("SELECT 1 / 0"))
        refused(f"{driver} behind an error", lambda: scalar("SELECT 1"))
        connection.rollback()
        refused(f"{driver} unknown column", lambda: connection.execute(text("SELECT nothing FROM orders")))
    for level in ("AUTOCOMMIT", "REPEATABLE READ", "SERIALIZABLE"):
        def of():
            with engine.connect().execution_options(isolation_level=level) as connection:
                return [connection.get_isolation_level(), connection.execute(text("SELECT 1")).scalar_one()]
        check(f"{driver} {level.lower()}", of)

    def read_only():
        with engine.connect().execution_options(postgresql_readonly=True, isolation_level="SERIALIZABLE", postgresql_deferrable=True) as connection:
            return connection.execute(text("SHOW transaction_read_only")).scalar_one()

    check(f"{driver} read only", read_only)
    checked = create_engine(engine.url, pool_size=1, max_overflow=0, pool_pre_ping=True, connect_args={"options": "-csearch_path=raw -ctimezone=Asia/Tokyo"})

    @event.listens_for(checked, "reset")
    def _(connection, _, __):
        connection.rollback()
        with connection.cursor() as cursor:
            cursor.execute("RESET ALL")
        connection.commit()

    def pooled():
        told = []
        for _ in range(2):
            with checked.connect() as connection:
                told.append(connection.execute(text("SELECT current_schema(), current_setting('timezone')")).one())
                connection.execute(text("SET search_path = public"))
                connection.commit()
        return told

    check(f"{driver} pool", pooled)
    check(f"{driver} schema of the path", lambda: sorted(inspect(checked).get_table_names())[:3])
    check(f"{driver} server version", lambda: checked.dialect.server_version_info[0])
    checked.dispose()


client("SQLAlchemy", sqlalchemy.__version__)
for driver in ("psycopg", "psycopg2"):
    engine = create_engine(url(f"postgresql+{driver}"))
    for exercise in (reflection, core, mapped, transactions):
        exercise(engine, driver)
    engine.dispose()
done()
