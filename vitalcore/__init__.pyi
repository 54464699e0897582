from .plan import Node as Node
from .plan import Plan as Plan
from .plan import source as source
from .session import Session as Session
from .ward import Ward as Ward
