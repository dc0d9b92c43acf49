SET LOCAL ROLE rowhouse_directory;
DROP FUNCTION directory.return_api_calls(uuid, date, int), directory.lease_api_calls(uuid, date, int, bigint[]),
    directory.own_usage(date), directory.excess_of(uuid, text, bigint[]), directory.own_excess(text, bigint[]),
    directory.beyond_plan(uuid, text, bigint[]), directory.count_used(uuid, text), directory.limit_of(text, bigint[]);
SET LOCAL ROLE NONE;
SET LOCAL ROLE rowhouse_owner;
DROP TABLE api_usage;
SET LOCAL ROLE NONE;
