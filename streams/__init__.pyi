from .engine.engine import Engine as Engine
from .gateway.gateway import Gateway as Gateway
from .gateway.player import Player as Player
from .protocol.keys import Keys as Keys
from .protocol.live import Message as Message
from .security.guard import Security as Security
from .subscriber import Subscriber as Subscriber
