// The chat page: who are you, and then the page of rooms. Begins here.

import { tabName } from './memory.js'
import { Page } from './page.js'
import { askWho, isUser } from './who.js'

const asked = new URLSearchParams(location.search)

const enter = (user: string): void => void new Page(user).begin(asked.get('channel'))

const known = asked.get('name') === null ? tabName() : null
if (known !== null && isUser(known)) enter(known)
else askWho(asked.get('name'), enter)
