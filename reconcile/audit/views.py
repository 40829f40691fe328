"""SQL views on a journal in PostgreSQL, for an auditor's own queries: runs, steps and movements.

They are no part of the tables' version: the owner makes them with the output of ``reconcile audit views``, and may drop
them. A record is the line that a file would hold, so each view reads the lines. SQL cannot hold a NUL, which a text may
contain as an escape, so the views replace it. SQL does not verify a journal: see ``reconcile audit verify``.
"""

SQL = r"""-- reconcile audit views: run this as the owner of the schema reconcile. It may be run again.
BEGIN;
DROP VIEW IF EXISTS reconcile.audit_movements, reconcile.audit_steps, reconcile.audit_runs, reconcile.audit_records;

-- Every record of every journal in use, and of the notes beside them.
CREATE VIEW reconcile.audit_records AS
SELECT j.identity, r.seq,
       regexp_replace(
           convert_from(r.line, 'UTF8'), '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::json AS record
FROM reconcile.record r JOIN reconcile.journal j ON j.id = r.journal
WHERE j.retired IS NULL;

-- One row per run on an account: who, why, from what, and how it ended (exit_code null: cut off, or at work).
CREATE VIEW reconcile.audit_runs AS
SELECT s.identity,
       s.record #>> '{details,account}' AS account,
       s.record ->> 'run' AS run_id,
       s.record ->> 'command' AS command,
       (s.record ->> 'at')::timestamptz AS started_at,
       (f.record ->> 'at')::timestamptz AS finished_at,
       (f.record #>> '{details,exit_code}')::integer AS exit_code,
       s.record #>> '{details,actor}' AS actor,
       s.record #>> '{details,reason}' AS reason,
       s.record ->> 'host' AS host,
       s.record #>> '{details,tool_version}' AS tool_version,
       s.record #>> '{details,git_commit}' AS git_commit,
       s.record #>> '{details,state_file}' AS state_file,
       s.record #>> '{details,state_sha256}' AS state_sha256,
       s.record #>> '{details,plan_id}' AS plan_id,
       coalesce(s.record #>> '{details,digest}', p.record #>> '{details,digest}') AS digest
FROM reconcile.audit_records s
LEFT JOIN (
    SELECT DISTINCT ON (identity, record ->> 'run') identity, record ->> 'run' AS run, record
    FROM reconcile.audit_records WHERE record ->> 'kind' = 'run_finished'
    ORDER BY identity, record ->> 'run', seq DESC) f ON f.identity = s.identity AND f.run = s.record ->> 'run'
LEFT JOIN (
    SELECT DISTINCT ON (identity, record ->> 'run') identity, record ->> 'run' AS run, record
    FROM reconcile.audit_records WHERE record ->> 'what' = 'planned'
    ORDER BY identity, record ->> 'run', seq) p ON p.identity = s.identity AND p.run = s.record ->> 'run'
WHERE s.record ->> 'kind' = 'run_started';

-- One row per step, with the last that is known about it, by whichever run or person.
CREATE VIEW reconcile.audit_steps AS
SELECT i.identity, r.account, i.record ->> 'run' AS run_id, i.record ->> 'intent_id' AS intent_id,
       (i.record ->> 'at')::timestamptz AS requested_at,
       to_timestamp((i.record ->> 'signed_at_ms')::numeric / 1000) AS signed_at,
       i.record ->> 'address' AS address, i.record ->> 'action' AS action, i.record ->> 'asset' AS asset,
       CASE i.record ->> 'action' WHEN 'reduce_margin' THEN -1 ELSE 1 END * (i.record ->> 'amount')::numeric AS change,
       i.record ->> 'before' AS before, i.record ->> 'wanted' AS wanted,
       coalesce(o.record ->> 'known',
                CASE o.record ->> 'applied' WHEN 'true' THEN 'applied' WHEN 'false' THEN 'not_applied' END,
                'in_flight') AS outcome,
       o.record ->> 'after' AS after, o.record ->> 'evidence' AS evidence,
       r.actor, r.reason, r.host, r.git_commit, r.plan_id, r.digest
FROM reconcile.audit_records i
LEFT JOIN (
    SELECT DISTINCT ON (identity, record ->> 'intent_id') identity, record ->> 'intent_id' AS intent_id, record
    FROM reconcile.audit_records WHERE record ->> 'kind' IN ('outcome', 'resolved')
    ORDER BY identity, record ->> 'intent_id', seq DESC) o
    ON o.identity = i.identity AND o.intent_id = i.record ->> 'intent_id'
LEFT JOIN reconcile.audit_runs r ON r.identity = i.identity AND r.run_id = i.record ->> 'run'
WHERE i.record ->> 'kind' = 'intent';

-- Every movement of margin that is known: our steps that moved it, and the rest by cause, as runs told it.
CREATE VIEW reconcile.audit_movements AS
SELECT identity, account, signed_at AS at, address, asset, 'reconcile' AS cause, change, actor, reason, run_id, host,
       git_commit, plan_id, digest, intent_id
FROM reconcile.audit_steps
WHERE outcome IN ('applied', 'accepted') AND change IS NOT NULL
UNION ALL
SELECT f.identity, r.account,
       to_timestamp(coalesce((c.value ->> 'at_ms')::numeric, (f.record #>> '{details,live_at_ms}')::numeric) / 1000),
       m.key, m.value ->> 'asset', c.value ->> 'cause', (c.value ->> 'amount')::numeric, NULL, NULL,
       f.record ->> 'run', r.host, NULL, NULL, NULL, NULL
FROM reconcile.audit_records f
CROSS JOIN LATERAL json_each(f.record #> '{details,moved}') m
CROSS JOIN LATERAL json_array_elements(m.value -> 'causes') c
LEFT JOIN reconcile.audit_runs r ON r.identity = f.identity AND r.run_id = f.record ->> 'run'
WHERE f.record ->> 'kind' = 'run_finished' AND json_typeof(f.record #> '{details,moved}') = 'object';
COMMIT;
"""
"""Statements for ``psql``: one transaction, to be run as often as wanted."""
