-- What is to be delivered to webhooks. Ids are in the order of telling; the lane of an app and its destination is
-- emptied from its front.
CREATE TABLE webhook_parcel (
    id {ID},
    app TEXT NOT NULL,
    destination TEXT NOT NULL,
    payload {BLOB} NOT NULL,
    made_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX webhook_parcel_lane ON webhook_parcel (app, destination, id);
