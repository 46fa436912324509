-- grain: one row per e-mail domain of a public provider of throw-away addresses
-- reads: none
-- money: none
-- time: none
-- The list that marts.fraud_signals compares with. It is short on purpose: well-known providers whose mailboxes anybody
-- can open without registration. Services that forward mail to a person's own mailbox are not in it.

with domains (domain) as (
    values
    ('10minutemail.com'),
    ('10minutemail.net'),
    ('20minutemail.com'),
    ('discard.email'),
    ('dispostable.com'),
    ('emailondeck.com'),
    ('fakeinbox.com'),
    ('getnada.com'),
    ('grr.la'),
    ('guerrillamail.biz'),
    ('guerrillamail.com'),
    ('guerrillamail.de'),
    ('guerrillamail.info'),
    ('guerrillamail.net'),
    ('guerrillamail.org'),
    ('guerrillamailblock.com'),
    ('inboxkitten.com'),
    ('jetable.org'),
    ('mailcatch.com'),
    ('maildrop.cc'),
    ('mailinator.com'),
    ('mailinator.net'),
    ('mailinator2.com'),
    ('mailnesia.com'),
    ('mailpoof.com'),
    ('mintemail.com'),
    ('moakt.com'),
    ('mohmal.com'),
    ('mytemp.email'),
    ('mytrashmail.com'),
    ('nada.email'),
    ('sharklasers.com'),
    ('spam4.me'),
    ('spamgourmet.com'),
    ('temp-mail.io'),
    ('temp-mail.org'),
    ('tempail.com'),
    ('tempmail.com'),
    ('tempmailo.com'),
    ('tempr.email'),
    ('throwawaymail.com'),
    ('trashmail.com'),
    ('trashmail.de'),
    ('trashmail.net'),
    ('yopmail.com'),
    ('yopmail.fr'),
    ('yopmail.net')
),

final as (
    select domain from domains
)

select * from final
