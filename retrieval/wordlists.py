"""Short lists of English words: those too common to search for, and abbreviations whose dot ends no sentence."""

_COMMON = """
a about above after again all also am an and any are as at be because been before being below between both but by can
could did do does doing down during each few for from further had has have having he her here hers him his how i if in
into is it its itself just may me might more most must my no nor not now of off on once only or other our out over own
same shall she should so some such than that the their them then there these they this those through to too under until
up upon us very was we were what when where which while who whom whose why will with within without would you your
"""

_SHORT_FORMS = """
al approx appr av ave bros ca capt cf co col corp cust dept dr ed eds e.g eg esp est etc ext fig figs gen gov hon i.e ie
inc incl jan feb mar apr jun jul aug sep sept oct nov dec jr lt ltd max min mme mr mrs ms mt mts no nos nr op p.a para
pp prof ref rep resp rev sec sen sgt sr st subj tel tx u.k u.s vol vs acct amt ph trx txn p
"""

STOPWORDS = frozenset(_COMMON.split())
ABBREVIATIONS = frozenset(_SHORT_FORMS.split())
