SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.claim_idempotency_key(text, bytea[]);
DROP FUNCTION directory.keep_answer(text, bytea, int, text, text, text);
DROP FUNCTION directory.forget_answers(int);
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
DROP TABLE idempotency_keys;
SET LOCAL ROLE NONE;
