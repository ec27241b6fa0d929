-- A shop that sells music. Each value follows from the row's number, so that the rows are the same each time.
CREATE SCHEMA music;

CREATE TABLE music."Artist" ("ArtistId" integer PRIMARY KEY, "Name" varchar(120));
INSERT INTO music."Artist" SELECT i, 'Artist ' || i FROM generate_series(1, 40) i;

CREATE TABLE music."Album" (
    "AlbumId" integer PRIMARY KEY,
    "Title" varchar(160) NOT NULL,
    "ArtistId" integer NOT NULL REFERENCES music."Artist" DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO music."Album" SELECT i, 'Album ' || i, 1 + i % 40 FROM generate_series(1, 80) i;

CREATE TABLE music."Genre" ("GenreId" integer PRIMARY KEY, "Name" varchar(120));
INSERT INTO music."Genre" VALUES (1, 'Rock'), (2, 'Jazz'), (3, 'R&B/Soul'), (4, 'Hip Hop'), (5, 'Opera');

-- Its key is a number, and tracks name its code.
CREATE TABLE music."MediaType" ("MediaTypeId" integer PRIMARY KEY, "Code" varchar(8) NOT NULL UNIQUE, "Name" varchar(120));
INSERT INTO music."MediaType" VALUES (1, 'mp3', 'MPEG audio file'), (2, 'aac', 'AAC audio file'), (3, 'flac', NULL);

CREATE TABLE music."Track" (
    "TrackId" serial PRIMARY KEY,
    "Name" varchar(200) NOT NULL,
    "AlbumId" integer REFERENCES music."Album",
    "MediaTypeCode" varchar(8) NOT NULL REFERENCES music."MediaType" ("Code"),
    "GenreId" integer REFERENCES music."Genre" DEFERRABLE INITIALLY DEFERRED,
    "Milliseconds" integer NOT NULL,
    "Bytes" integer,
    "UnitPrice" numeric(10, 2) NOT NULL
);
INSERT INTO music."Track" ("Name", "AlbumId", "MediaTypeCode", "GenreId", "Milliseconds", "Bytes", "UnitPrice")
SELECT 'Track ' || i, 1 + i % 80, (ARRAY['mp3', 'aac', 'flac'])[1 + i % 3], CASE WHEN i % 12 > 0 THEN 1 + (i + i / 40) % 4 END,
       120000 + 20000 * ((i + i / 40) % 4) + i * 7919 % 50000, 4000000 + i * 991 % 3000000, 0.99 + i / 3 % 2
FROM generate_series(1, 300) i;

CREATE TABLE music."Playlist" ("PlaylistId" integer PRIMARY KEY, "Name" varchar(120));
INSERT INTO music."Playlist" SELECT i, 'Playlist ' || i FROM generate_series(1, 8) i;

-- Many to many.
CREATE TABLE music."PlaylistTrack" (
    "PlaylistId" integer NOT NULL REFERENCES music."Playlist",
    "TrackId" integer NOT NULL REFERENCES music."Track",
    PRIMARY KEY ("PlaylistId", "TrackId")
);
INSERT INTO music."PlaylistTrack"
SELECT DISTINCT 1 + (t * n) % 8, t FROM generate_series(1, 300) t, generate_series(1, 3) n WHERE n <= 1 + t % 3;

CREATE TABLE music."Employee" (
    "EmployeeId" integer PRIMARY KEY,
    "LastName" varchar(20) NOT NULL,
    "Title" varchar(30),
    "ReportsTo" integer REFERENCES music."Employee"
);
INSERT INTO music."Employee" VALUES
    (1, 'Adams', 'General Manager', NULL), (2, 'Edwards', 'Sales Manager', 1), (3, 'Peacock', 'Sales Agent', 2),
    (4, 'Park', 'Sales Agent', 2), (5, 'Johnson', 'Sales Agent', 2), (6, 'Mitchell', 'IT Manager', 1);

CREATE TABLE music."Customer" (
    "CustomerId" serial PRIMARY KEY,
    "Country" varchar(40),
    "Company" varchar(80),
    "SupportRepId" integer REFERENCES music."Employee"
);
INSERT INTO music."Customer" ("Country", "Company", "SupportRepId")
SELECT (ARRAY['Brazil', 'Germany', 'Canada', 'Norway'])[1 + i % 4], CASE WHEN i % 5 = 0 THEN 'Company ' || i END, 3 + i % 4 % 3
FROM generate_series(1, 120) i;

CREATE TABLE music."Invoice" (
    "InvoiceId" serial PRIMARY KEY,
    "CustomerId" integer NOT NULL REFERENCES music."Customer",
    "InvoiceDate" timestamp NOT NULL,
    "Total" numeric(10, 2) NOT NULL
);
INSERT INTO music."Invoice" ("CustomerId", "InvoiceDate", "Total")
SELECT 1 + i * 7 % 120, timestamp '2009-01-01' + i * interval '2 days', 0.99 * (1 + i % 9) FROM generate_series(1, 400) i;

-- Lines of invoices, whose key is the invoice and the track.
CREATE TABLE music."InvoiceLine" (
    "InvoiceId" integer NOT NULL REFERENCES music."Invoice",
    "TrackId" integer NOT NULL REFERENCES music."Track",
    "UnitPrice" numeric(10, 2) NOT NULL,
    "Quantity" integer NOT NULL,
    CONSTRAINT "InvoiceLineKey" PRIMARY KEY ("InvoiceId", "TrackId")
);
INSERT INTO music."InvoiceLine"
SELECT DISTINCT i, 1 + (i * 5 + n * 3) % 300, 0.99, 1 + n % 2 FROM generate_series(1, 400) i, generate_series(1, 3) n WHERE n <= 1 + i % 3;
