-- What was there before stays protected: its rows belong to tenants now.
SELECT 1;
