-- What a budget did with a request, where it did not just let it pass: NULL for most.
ALTER TABLE acc.usage_events ADD COLUMN budget_decision json;
