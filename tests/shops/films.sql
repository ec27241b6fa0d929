-- A shop that rents films. Each value follows from the row's number, so that the rows are the same each time.
CREATE SCHEMA films;

CREATE TYPE films.rating AS ENUM ('G', 'PG', 'PG-13', 'R');
CREATE DOMAIN films.year AS integer CHECK (VALUE BETWEEN 1901 AND 2155);

CREATE TABLE films.language (
    language_id serial PRIMARY KEY,
    name character(20) NOT NULL
);
INSERT INTO films.language (name) VALUES ('English'), ('Italian'), ('French');

CREATE TABLE films.category (
    category_id smallserial PRIMARY KEY,
    name text NOT NULL,
    last_update timestamptz NOT NULL DEFAULT '2022-02-15'
);
INSERT INTO films.category (name) VALUES ('Action'), ('Family'), ('Sci-Fi');

CREATE TABLE films.film (
    film_id serial PRIMARY KEY,
    title text NOT NULL,
    release_year films.year,
    language_id integer NOT NULL REFERENCES films.language,
    original_language_id integer REFERENCES films.language,
    category_id smallint REFERENCES films.category,
    sequel_of integer REFERENCES films.film,
    rental_rate numeric(4, 2) NOT NULL,
    length smallint,
    rating films.rating,
    special_features text[],
    hours double precision GENERATED ALWAYS AS (length / 60.0) STORED,
    last_update timestamptz NOT NULL DEFAULT '2022-02-15',
    words tsvector
);
INSERT INTO films.film (title, release_year, language_id, original_language_id, category_id, sequel_of, rental_rate,
                        length, rating, special_features, words)
SELECT format('%s %s', (ARRAY['ACADEMY', 'BIRD', 'CHAMBER', 'DESERT', 'ELF', 'FARGO', 'GRAIL'])[1 + i % 7],
              (ARRAY['DINOSAUR', 'ROBBERS', 'PARTY', 'GOLD', 'ISLAND'])[1 + i * 3 % 5]),
       1990 + i % 30, 1 + i % 3, CASE WHEN i % 11 = 0 THEN 2 END, CASE WHEN i % 10 < 9 THEN 1 + i % 3 END,
       CASE WHEN i % 13 = 0 THEN i - 1 END, 0.99 + i % 3, 45 + 40 * (i % 3) + i * 7 % 31,
       (enum_range(NULL::films.rating))[1 + i % 4], ARRAY['Trailers', 'Deleted Scenes'], to_tsvector('simple', 'film')
FROM generate_series(1, 180) i;

CREATE TABLE films.actor (
    actor_id serial PRIMARY KEY,
    first_name text NOT NULL,
    last_name text NOT NULL
);
INSERT INTO films.actor (first_name, last_name)
SELECT 'FIRST' || i % 17, 'LAST' || i % 23 FROM generate_series(1, 60) i;

-- Many to many.
CREATE TABLE films.film_actor (
    actor_id integer NOT NULL REFERENCES films.actor,
    film_id integer NOT NULL REFERENCES films.film,
    last_update timestamptz NOT NULL DEFAULT '2022-02-15',
    PRIMARY KEY (actor_id, film_id)
);
INSERT INTO films.film_actor (actor_id, film_id)
SELECT DISTINCT 1 + (f * 7 + n * 11) % 60, f FROM generate_series(1, 180) f, generate_series(1, 4) n WHERE n <= 1 + f % 4;

CREATE TABLE films.customer (
    customer_id serial PRIMARY KEY,
    email text UNIQUE,
    create_date date NOT NULL,
    active boolean NOT NULL,
    churned boolean
);
INSERT INTO films.customer (email, create_date, active, churned)
SELECT format('c%s@example.org', i), date '2021-06-01' + i % 200, i % 9 > 0, CASE WHEN i % 12 > 0 THEN i % 3 = 0 END
FROM generate_series(1, 150) i;

CREATE TABLE films.rental (
    rental_id serial PRIMARY KEY,
    rental_date timestamptz NOT NULL,
    customer_id integer NOT NULL REFERENCES films.customer,
    return_date timestamptz,
    UNIQUE (rental_date, customer_id)
);
INSERT INTO films.rental (rental_date, customer_id, return_date)
SELECT timestamptz '2021-05-01 00:00Z' + i * interval '9 hours', 1 + i * 7 % 150,
       CASE WHEN i % 8 > 0 THEN timestamptz '2021-05-03 00:00Z' + i * interval '9 hours' END
FROM generate_series(1, 600) i;

-- The lines of a rental: their key is the rental and the number.
CREATE TABLE films.rental_line (
    rental_id integer NOT NULL REFERENCES films.rental,
    line smallint NOT NULL,
    film_id integer NOT NULL REFERENCES films.film,
    price numeric(5, 2) NOT NULL,
    PRIMARY KEY (rental_id, line)
);
INSERT INTO films.rental_line
SELECT r, n, 1 + (r * 5 + n) % 180, 0.99 + (r + n) % 4 FROM generate_series(1, 600) r, generate_series(1, 2) n WHERE n <= 1 + r % 2;

CREATE TABLE films.payment (
    payment_id integer NOT NULL,
    customer_id integer NOT NULL REFERENCES films.customer,
    amount numeric(5, 2) NOT NULL,
    payment_date timestamptz NOT NULL,
    PRIMARY KEY (payment_date, payment_id)
) PARTITION BY RANGE (payment_date);
CREATE TABLE films.payment_2021 PARTITION OF films.payment FOR VALUES FROM ('2021-01-01Z') TO ('2022-01-01Z');
CREATE TABLE films.payment_2022 PARTITION OF films.payment FOR VALUES FROM ('2022-01-01Z') TO ('2023-01-01Z');
INSERT INTO films.payment
SELECT i, 1 + i * 7 % 150, 0.99 + i % 5 + CASE WHEN i * 7 % 150 % 3 = 2 THEN 4 ELSE 0 END,
       timestamptz '2021-05-01 00:00Z' + i * interval '9 hours'
FROM generate_series(1, 700) i;

-- A table without a key.
CREATE TABLE films.visit_log (customer_id integer REFERENCES films.customer, seen timestamptz, pages integer);
INSERT INTO films.visit_log
SELECT 1 + i * 11 % 150, timestamptz '2021-05-01 00:00Z' + i * interval '5 hours', 1 + i % 6 FROM generate_series(1, 400) i;

-- Names that Python or Django give another meaning.
CREATE TABLE films.odd_name (
    number integer PRIMARY KEY REFERENCES films.customer,
    pk integer,
    id integer,
    objects text,
    "check" integer,
    save boolean,
    class text,
    "with" integer,
    trailing_ integer,
    double__under integer,
    "Mixed Case" integer,
    "zip code" text,
    "Größe" real,
    "2nd" integer
);
INSERT INTO films.odd_name
SELECT i, i % 5, i * 3, (ARRAY['a', 'b'])[1 + i / 2 % 2], i % 7, i % 2 = 0, (ARRAY['x', 'y', 'z'])[1 + i % 3], i % 11, i % 9, i % 6,
       i % 8, lpad((i % 10)::text, 5, '0'), i / 3.0, i % 9
FROM generate_series(1, 150) i;

CREATE VIEW films.customer_list AS
SELECT c.customer_id AS id, c.create_date AS joined, c.active, c.churned, count(r) AS rentals, c.email AS "e-mail address"
FROM films.customer c LEFT JOIN films.rental r USING (customer_id) GROUP BY c.customer_id;

CREATE MATERIALIZED VIEW films.spending AS
SELECT customer_id, payment_date::date AS day, sum(amount) AS amount FROM films.payment GROUP BY 1, 2;
