ALTER TABLE letters OWNER TO rowhouse_owner;
ALTER TABLE letters ADD tenant_id uuid;
UPDATE letters SET tenant_id = companies.tenant_id FROM companies WHERE companies.id = letters.company_id;
ALTER TABLE letters ALTER tenant_id SET NOT NULL,
    DROP CONSTRAINT letters_pkey, ADD PRIMARY KEY (tenant_id, id);
SET LOCAL ROLE rowhouse_owner;
SELECT tenancy.protect('letters', write_role => 'member');
SET LOCAL ROLE NONE;
