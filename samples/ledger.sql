-- Questions for a ledger: sqlite3 -readonly -box ~/.local/state/lcic-sync/ledger.sqlite3 < samples/ledger.sql
-- Its tables are described in src/ledger/schema.rs. It holds personal data: don't copy it about.

-- What is one user known to hold?
SELECT * FROM profiles WHERE user_id = '2kJJBH6G1dfBFUJqXLh0Mg3ELLk';

-- Who is in doubt: sent, and no answer came?
SELECT count(*) FROM user WHERE nickname_doubt_at IS NOT NULL OR avatar_doubt_at IS NOT NULL;

-- Whose failure still waits for somebody?
SELECT run_id, count(*) AS users
FROM user JOIN run ON run.run = user.open_run
WHERE closed_run IS NULL
GROUP BY run_id;

-- The last ten runs.
SELECT run, run_id, datetime(started_at / 1000, 'unixepoch') AS started, stopped_by, exit_code,
       counts ->> '$.applied' AS applied, counts ->> '$.failed' AS failed
FROM run ORDER BY run DESC LIMIT 10;

-- How many users got something new, day by day?
SELECT date(max(coalesce(nickname_at, 0), coalesce(avatar_at, 0)) / 1000, 'unixepoch') AS day, count(*)
FROM user GROUP BY day ORDER BY day DESC LIMIT 30;
